import fc from "fast-check";
import { expect, test } from "vitest";
import {
	attributeOf,
	audioOf,
	connectionOf,
	directionOf,
	MAX_SDP_LINES,
	readSdp,
	redirectMedia,
	writeSdp,
} from "../../../core/sip/sdp.ts";

const OFFER = [
	"v=0",
	"o=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com",
	"s=-",
	"c=IN IP4 192.0.2.10",
	"t=0 0",
	"m=video 51372/2 RTP/AVP 31",
	"c=IN IP4 224.2.1.1/127/3",
	"m=audio 49170 RTP/AVP 0 8 101",
	"a=rtpmap:101 telephone-event/8000",
	"a=sendonly",
	"",
].join("\r\n");

test("what an edge asks of a description", () => {
	const sdp = readSdp(OFFER)!;
	const audio = audioOf(sdp)!;
	expect([audio.port, audio.protocol, audio.formats]).toEqual([49170, "RTP/AVP", ["0", "8", "101"]]);
	expect(connectionOf(sdp, audio)).toBe("192.0.2.10");
	expect(connectionOf(sdp, sdp.media[0]!)).toBe("224.2.1.1");
	expect([directionOf(sdp, audio), directionOf(sdp, sdp.media[0]!)]).toEqual(["sendonly", "sendrecv"]);
	expect(attributeOf(audio.lines, "rtpmap")).toBe("101 telephone-event/8000");
	expect(attributeOf(audio.lines, "sendonly")).toBe("");
	expect(attributeOf(audio.lines, "ptime")).toBeUndefined();
	expect(writeSdp(sdp)).toBe(OFFER);
});

test("a refused stream is no audio; an address of zeros is hold", () => {
	expect(audioOf(readSdp(OFFER.replace("audio 49170", "audio 0"))!)).toBeUndefined();
	const held = readSdp(OFFER.replace("192.0.2.10", "0.0.0.0").replace("a=sendonly\r\n", ""))!;
	expect(directionOf(held, audioOf(held)!)).toBe("sendonly");
});

test("a relay puts itself in", () => {
	const sdp = readSdp(OFFER)!;
	redirectMedia(sdp, audioOf(sdp)!, "2001:db8::1", 4000);
	expect(writeSdp(sdp)).toContain("m=audio 4000 RTP/AVP 0 8 101\r\nc=IN IP6 2001:db8::1\r\na=rtpmap");
	expect(writeSdp(sdp)).toContain("s=-\r\nc=IN IP4 192.0.2.10\r\n");
});

test.each([
	"",
	"v=1\r\no=x\r\n",
	"v=0\r\n",
	"hello",
	"v=0\r\no=x\r\nm=audio\r\n",
	"v=0\r\no=x\r\nm=audio 70000 RTP/AVP 0\r\n",
	"v=0\r\no=x\r\n?=1\r\n",
	`v=0\r\no=x\r\n${"a=y\r\n".repeat(MAX_SDP_LINES)}`,
])("%j is no description", (text) => {
	expect(readSdp(text)).toBeUndefined();
});

test("what is read and written reads the same", () => {
	const line = fc.stringMatching(/^[a-ln-z]=[ -~]{1,20}$/);
	fc.assert(
		fc.property(fc.array(line, { maxLength: 6 }), fc.nat(65535), (extra, port) => {
			const text = writeSdp({
				lines: ["v=0", "o=x", ...extra],
				media: [{ kind: "audio", port, ports: 1, protocol: "RTP/AVP", formats: ["0"], lines: extra }],
			});
			expect(writeSdp(readSdp(text)!)).toBe(text);
		}),
	);
	fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => void readSdp(`v=0\r\no=x\r\n${text}`)));
});
