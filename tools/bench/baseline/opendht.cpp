// Baseline: OpenDHT, N nodes in one process on loopback (UDP, nothing signed). Prints one line of JSON.
// Usage: opendht NODES OPERATIONS FIRST_PORT
#include <opendht.h>
#include <sys/resource.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <future>
#include <thread>
#include <unistd.h>
#include <vector>

using Clock = std::chrono::steady_clock;
static double msSince(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }
static double cpuMs() {
	rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}
static double rssMiB() {
	std::ifstream f("/proc/self/statm");
	long size, resident;
	f >> size >> resident;
	return resident * double(sysconf(_SC_PAGESIZE)) / 1048576;
}
static double quantile(std::vector<double> v, double q) {
	std::sort(v.begin(), v.end());
	return v.empty() ? 0 : v[std::min(v.size() - 1, size_t(v.size() * q))];
}

int main(int argc, char** argv) {
	int nodes = argc > 1 ? atoi(argv[1]) : 16, operations = argc > 2 ? atoi(argv[2]) : 100, port = argc > 3 ? atoi(argv[3]) : 42000;
	double base = rssMiB();
	std::vector<std::unique_ptr<dht::DhtRunner>> swarm;
	std::vector<double> joins, puts, gets;
	for (int i = 0; i < nodes; i++) {
		auto node = std::make_unique<dht::DhtRunner>();
		dht::DhtRunner::Config config {};
		config.dht_config.node_config.max_req_per_sec = -1;
		config.dht_config.node_config.max_peer_req_per_sec = -1;
		config.threaded = true;
		auto began = Clock::now();
		node->run(port + i, config);
		if (i > 0) {
			node->bootstrap("127.0.0.1", std::to_string(port + (i - 1) / 2));
			while (node->getNodesStats(AF_INET).good_nodes == 0 && msSince(began) < 10000) std::this_thread::sleep_for(std::chrono::microseconds(200));
			joins.push_back(msSince(began));
		}
		swarm.push_back(std::move(node));
	}
	std::this_thread::sleep_for(std::chrono::seconds(2));
	double from = cpuMs();
	std::this_thread::sleep_for(std::chrono::seconds(3));
	double idle = (cpuMs() - from) / 3 / nodes, rss = (rssMiB() - base) / nodes;
	std::vector<uint8_t> value(300, 7);
	from = cpuMs();
	for (int i = 0; i < operations; i++) {
		std::promise<bool> done;
		auto began = Clock::now();
		swarm[i % nodes]->put(dht::InfoHash::get("key" + std::to_string(i)), dht::Value(value), [&](bool ok) { done.set_value(ok); });
		done.get_future().wait();
		puts.push_back(msSince(began));
	}
	double cpuPut = (cpuMs() - from) / operations;
	from = cpuMs();
	int found = 0;
	for (int i = 0; i < operations; i++) {
		auto got = std::make_shared<std::promise<bool>>();
		auto once = std::make_shared<std::atomic<bool>>(false);
		auto began = Clock::now();
		swarm[(i + nodes / 2 + 1) % nodes]->get(
			dht::InfoHash::get("key" + std::to_string(i)),
			[=](const std::vector<std::shared_ptr<dht::Value>>& values) {
				if (!values.empty() && !once->exchange(true)) got->set_value(true);
				return false;
			},
			[=](bool) { if (!once->exchange(true)) got->set_value(false); });
		if (got->get_future().get()) found++;
		gets.push_back(msSince(began));
	}
	double cpuGet = (cpuMs() - from) / operations;
	printf("{\"system\":\"OpenDHT (C++, nothing signed)\",\"nodes\":%d,\"operations\":%d,\"found\":%d,\"joinMs\":{\"p50\":%.3f,\"p95\":%.3f},"
		"\"storeMs\":{\"p50\":%.3f,\"p95\":%.3f},\"fetchMs\":{\"p50\":%.3f,\"p95\":%.3f},\"cpuStoreMs\":%.3f,\"cpuFetchMs\":%.3f,"
		"\"idleCpuMsPerS\":%.3f,\"rssPerPeerMiB\":%.3f}\n",
		nodes, operations, found, quantile(joins, .5), quantile(joins, .95), quantile(puts, .5), quantile(puts, .95), quantile(gets, .5),
		quantile(gets, .95), cpuPut, cpuGet, idle, rss);
	fflush(stdout);
	_exit(0);
}
