// Sees to the programs that the tests need. Debian's packages only; where they cannot be installed, it says how.
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** program -> Debian package */
const WANTED = {
	openssl: "openssl",
	curl: "curl",
	tshark: "tshark",
	sipp: "sip-tester",
	baresip: "baresip-core",
	// For the XS engine of test/xs.
	make: "make",
	cc: "gcc libc6-dev",
};

function onPath(program) {
	return (process.env.PATH ?? "").split(delimiter).some((folder) => {
		try {
			accessSync(join(folder, program), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

const missing = Object.keys(WANTED).filter((program) => !onPath(program));
if (missing.length > 0) {
	const packages = missing.flatMap((program) => WANTED[program].split(" "));
	const install = ["install", "-y", "-qq", "--no-install-recommends", ...packages];
	if (process.getuid?.() === 0 && onPath("apt-get")) {
		console.log(`installing ${packages.join(" ")} for the tests`);
		const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
		execFileSync("apt-get", ["update", "-qq"], {
			stdio: ["ignore", "ignore", "inherit"],
			env,
		});
		const result = spawnSync("apt-get", install, {
			stdio: ["ignore", "ignore", "inherit"],
			env,
		});
		if (result.status !== 0) process.exit(result.status ?? 1);
	} else {
		console.log(
			`tests that need ${missing.join(", ")} will be skipped or fail; to run them: sudo apt-get ${install.join(" ")}`,
		);
	}
}
