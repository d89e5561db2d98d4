/**
 * The torture tests of RFC 4475, by the names the RFC gives them, as octets (one per character). Where the RFC repeats text, so do we;
 * `hex` writes octets above ASCII.
 */

const CRLF = "\r\n";

function hex(digits: string): string {
	let text = "";
	for (let i = 0; i < digits.length; i += 2) text += String.fromCharCode(Number.parseInt(digits.slice(i, i + 2), 16));
	return text;
}

function sdp(address: string, times = "0 0"): string {
	return [
		"v=0",
		`o=mhandley 29739 7272939 IN IP4 ${address}`,
		"s=-",
		`c=IN IP4 ${address}`,
		`t=${times}`,
		"m=audio 49217 RTP/AVP 0 12",
		"m=video 3227 RTP/AVP 31",
		"a=rtpmap:31 LPC",
		"",
	].join(CRLF);
}

function message(head: readonly string[], body = ""): string {
	return head.join(CRLF) + CRLF + CRLF + body;
}

const many = (text: string, count: number): string => text.repeat(count);
const METHOD = "!interesting-Method0123456789_*+`.%indeed'~";
const ODD_USER = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*";
const DEEDS =
	"D0BDD0BE20D181D182D0BE20D0B4D0B5D0B2D18FD0BDD0BED181D182D0BE20D0B4D0B5D0B2D18FD182D18C202D20D0BFD180D0BED181D182D0BED0B5";
const PKCS7 =
	"3082015206092A864886F70D010702A08201433082013F02010001".repeat(1) + "00".repeat(8) + "FF806F0D0A0D0A2D2D".repeat(2);

/** §3.1.1: all well-formed. */
export const VALID: Readonly<Record<string, string>> = {
	wsinv: message(
		[
			"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
			"TO :",
			" sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
			'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>',
			"  ;",
			"  tag = 98asjd8",
			"MaX-fOrWaRdS: 0068",
			"Call-ID: wsinv.ndaksdj@192.0.2.1",
			"Content-Length   : 150",
			"cseq: 0009",
			"  INVITE",
			"Via  : SIP  /   2.0",
			" /UDP",
			"    192.0.2.2;branch=390skdjuw",
			"s :",
			"NewFangledHeader:   newfangled value",
			" continued newfangled value",
			"UnknownHeaderWithUnusualValue: ;;,,;;,;",
			"Content-Type: application/sdp",
			"Route:",
			" <sip:services.example.com;lr;unknownwith=value;unknown-no-value>",
			"v:  SIP  / 2.0  / TCP     spindle.example.com   ;",
			"  branch  =   z9hG4bK9ikj8  ,",
			" SIP  /    2.0   / UDP  192.168.255.111   ; branch=",
			" z9hG4bK30239",
			'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =',
			"      newvalue ;",
			"  secondparam ; q = 0.33",
		],
		sdp("192.0.2.3"),
	),
	intmeth: message([
		`${METHOD} sip:${ODD_USER}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0`,
		"Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
		`To: "BEL:\\${hex("07")} NUL:\\${hex("00")} DEL:\\${hex("7F")}" <sip:${ODD_USER}@example.com>`,
		`From: token1~\` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="${hex(
			"D180D0B0D0B1D0BED182D0B0D18ED189D0B8D0B9",
		)}";tag=_token~1'+\`*%!-.`,
		"Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
		`CSeq: 139122385 ${METHOD}`,
		"Max-Forwards: 255",
		`extensionHeader-!.%*+_\`'~: ${hex("EFBBBFE5A4A7E5819CE99BBB")}`,
		"Content-Length: 0",
	]),
	esc01: message(
		[
			"INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
			"To: sip:%75se%72@example.com",
			"From: <sip:I%20have%20spaces@example.net>;tag=938",
			"Max-Forwards: 87",
			"i: esc01.239409asdfakjkn23onasd0-3234",
			"CSeq: 234234 INVITE",
			"Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw",
			"C: application/sdp",
			"Contact:",
			"  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
			"Content-Length: 150",
		],
		sdp("192.0.2.1"),
	),
	escnull: message([
		"REGISTER sip:example.com SIP/2.0",
		"To: sip:null-%00-null@example.com",
		"From: sip:null-%00-null@example.com;tag=839923423",
		"Max-Forwards: 70",
		"Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd",
		"CSeq: 14398234 REGISTER",
		"Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw",
		"Contact: <sip:%00@host5.example.com>",
		"Contact: <sip:%00%00@host5.example.com>",
		"L:0",
	]),
	esc02: message([
		"RE%47IST%45R sip:registrar.example.com SIP/2.0",
		'To: "%Z%45" <sip:resource@example.com>',
		'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23',
		"Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf",
		"Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234",
		"CSeq: 29344 RE%47IST%45R",
		"Max-Forwards: 70",
		"Contact: <sip:alias1@host1.example.com>",
		"C%6Fntact: <sip:alias2@host2.example.com>",
		"Contact: <sip:alias3@host3.example.com>",
		"l: 0",
	]),
	lwsdisp: message([
		"OPTIONS sip:user@example.com SIP/2.0",
		"To: sip:user@example.com",
		"From: caller<sip:caller@example.com>;tag=323",
		"Max-Forwards: 70",
		"Call-ID: lwsdisp.1234abcd@funky.example.com",
		"CSeq: 60 OPTIONS",
		"Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw",
		"l: 0",
	]),
	longreq: message(
		[
			"INVITE sip:user@example.com SIP/2.0",
			`To: "I have a user name of ${many("extreme", 10)} proportion"<sip:user@example.com:6000;unknownparam1=very${many(
				"long",
				20,
			)}value;longparam${many("name", 25)}=shortvalue;very${many("long", 25)}ParameterNameWithNoValue>`,
			`F: sip:${many("amazinglylongcallername", 5)}@example.net;tag=12${many("982", 50)}424;unknownheaderparam${many(
				"name",
				20,
			)}=unknowheaderparam${many("value", 15)};unknownValueless${many("paramname", 10)}`,
			`Call-ID: longreq.one${many("really", 20)}longcallid`,
			"CSeq: 3882340 INVITE",
			`Unknown-${many("Long", 20)}-Name: unknown-${many("long", 20)}-value; unknown-${many(
				"long",
				20,
			)}-parameter-name = unknown-${many("long", 20)}-parameter-value`,
			...["Via", "v", "V", "Via", "ViA", "VIa", "VIA", "via", "viA", "vIa", "vIA", "V :", "v :", "V  :", "v  :"].map(
				(name, i) => `${name.includes(":") ? name : `${name}:`}  SIP/2.0/TCP sip${33 - i}.example.com`,
			),
			...Array.from({ length: 18 }, (_, i) => `Via: SIP/2.0/TCP sip${18 - i}.example.com`),
			`Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very${many("long", 50)}branchvalue`,
			"Max-Forwards: 70",
			`Contact: <sip:${many("amazinglylongcallername", 5)}@host5.example.net>`,
			"Content-Type: application/sdp",
			"l: 150",
		],
		sdp("192.0.2.1"),
	),
	dblreq: message(
		[
			"REGISTER sip:example.com SIP/2.0",
			"To: sip:j.user@example.com",
			"From: sip:j.user@example.com;tag=43251j3j324",
			"Max-Forwards: 8",
			"I: dblreq.0ha0isndaksdj99sdfafnl3lk233412",
			"Contact: sip:j.user@host.example.com",
			"CSeq: 8 REGISTER",
			"Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492",
			"Content-Length: 0",
		],
		message(
			[
				"",
				"INVITE sip:joe@example.com SIP/2.0",
				"t: sip:joe@example.com",
				"From: sip:caller@example.net;tag=141334",
				"Max-Forwards: 8",
				"Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15",
				"CSeq: 8 INVITE",
				"Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234",
				"Content-Type: application/sdp",
				"Content-Length: 150",
			],
			sdp("192.0.2.15"),
		),
	),
	semiuri: message([
		"OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0",
		"To: sip:j_user@example.com",
		"From: sip:caller@example.org;tag=33242",
		"Max-Forwards: 3",
		"Call-ID: semiuri.0ha0isndaksdj",
		"CSeq: 8 OPTIONS",
		"Accept: application/sdp, application/pkcs7-mime,",
		"        multipart/mixed, multipart/signed,",
		"        message/sip, message/sipfrag",
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw",
		"l: 0",
	]),
	transports: message([
		"OPTIONS sip:user@example.com SIP/2.0",
		"To: sip:user@example.com",
		"From: <sip:caller@example.com>;tag=323",
		"Max-Forwards: 70",
		"Call-ID:  transports.kijh4akdnaqjkwendsasfdj",
		"Accept: application/sdp",
		"CSeq: 60 OPTIONS",
		"Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw",
		"Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf",
		"Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj",
		"Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
		"Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee",
		"l: 0",
	]),
	mpart01: (() => {
		const body =
			`--7a9cbec02ceef655${CRLF}Content-Type: text/plain${CRLF}Content-Transfer-Encoding: binary${CRLF}${CRLF}Hello${CRLF}` +
			`--7a9cbec02ceef655${CRLF}Content-Type: application/octet-stream${CRLF}Content-Transfer-Encoding: binary${CRLF}${CRLF}` +
			`${hex(PKCS7)}${CRLF}--7a9cbec02ceef655--`;
		return message(
			[
				"MESSAGE sip:kumiko@example.org SIP/2.0",
				"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport",
				"Max-Forwards: 70",
				"Route: <sip:127.0.0.1:5080>",
				"Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDN=",
				"Contact: <sip:fluffy@127.0.0.1:5070>",
				"To: <sip:kumiko@example.org>",
				"From: <sip:fluffy@example.com>;tag=2fb0dcc9",
				"Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..",
				"CSeq: 1 MESSAGE",
				"Content-Transfer-Encoding: binary",
				"Content-Type: multipart/mixed;boundary=7a9cbec02ceef655",
				"Date: Sat, 15 Oct 2005 04:44:56 GMT",
				"User-Agent: SIPimp.org/0.2.5 (curses)",
				`Content-Length: ${body.length}`,
			],
			body,
		);
	})(),
	unreason: message(
		[
			`SIP/2.0 200 = 2**3 * 5**2 ${hex(DEEDS)}`,
			"Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
			"Call-ID: unreason.1234ksdfak3j2erwedfsASdf",
			"CSeq: 35 INVITE",
			"From: sip:user@example.com;tag=11141343",
			"To: sip:user@example.edu;tag=2229",
			"Content-Length: 154",
			"Content-Type: application/sdp",
			"Contact: <sip:user@host198.example.com>",
		],
		sdp("192.0.2.198"),
	),
	noreason: message([
		"SIP/2.0 100 ",
		"Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe",
		"Call-ID: noreason.asndj203insdf99223ndf",
		"CSeq: 35 INVITE",
		"From: <sip:user@example.com>;tag=39ansfi3",
		"To: <sip:user@example.edu>;tag=902jndnke3",
		"Content-Length: 0",
		"Contact: <sip:user@host105.example.com>",
	]),
};

/** A request of the shape that most of the others share. */
function request(
	line: string,
	id: string,
	options: {
		to?: string;
		from?: string;
		via?: string;
		cseq?: string;
		maxForwards?: string;
		extra?: readonly string[];
		length?: string;
		body?: string;
	} = {},
): string {
	const method = line.slice(0, line.indexOf(" "));
	const body = options.body ?? "";
	return message(
		[
			line,
			`To: ${options.to ?? "sip:user@example.com"}`,
			`From: ${options.from ?? "sip:caller@example.net;tag=34525"}`,
			`Max-Forwards: ${options.maxForwards ?? "7"}`,
			`Call-ID: ${id}`,
			`CSeq: ${options.cseq ?? `8 ${method}`}`,
			`Via: ${options.via ?? "SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw"}`,
			...(options.extra ?? []),
			...(body === "" ? [] : ["Content-Type: application/sdp"]),
			`Content-Length: ${options.length ?? body.length}`,
		],
		body,
	);
}

/** §3.1.2 and §3.3: what comes of each at an edge that serves example.com. A number: that answer. */
export const OTHERS: ReadonlyArray<readonly [name: string, text: string, outcome: number | "dropped" | "forwarded"]> = [
	[
		"badinv01",
		request("INVITE sip:user@example.com SIP/2.0", "badinv01.0ha0isndaksdjasdf3234nas", {
			via: "SIP/2.0/UDP 192.0.2.15;;,;,,",
			extra: ['Contact: "Joe" <sip:joe@example.org>;;;;'],
			body: sdp("192.0.2.15"),
		}),
		400,
	],
	[
		"clerr",
		request("INVITE sip:user@example.com SIP/2.0", "clerr.0ha0", { length: "9999", body: sdp("192.0.2.155") }),
		400,
	],
	["ncl", request("INVITE sip:user@example.com SIP/2.0", "ncl.0ha0", { length: "-999", body: sdp("192.0.2.53") }), 400],
	[
		"scalar02",
		request("REGISTER sip:example.com SIP/2.0", "scalar02.23o0pd9vanlq3wnrlnewofjas9ui32", {
			cseq: "36893488147419103232 REGISTER",
			maxForwards: "300",
			extra: [`Expires: 1${many("0", 100)}`, "Contact: <sip:user@host129.example.com>", " ;expires=280297596632815"],
		}),
		400,
	],
	[
		"scalarlg",
		message([
			"SIP/2.0 503 Service Unavailable",
			"Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129",
			"To: <sip:user@example.com>",
			"From: <sip:other@example.net>;tag=2easdjfejw",
			"CSeq: 9292394834772304023312 OPTIONS",
			"Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r",
			"Retry-After: 949302838503028349304023988",
			'Warning: 1812 overture "In Progress"',
			"Content-Length: 0",
		]),
		"dropped",
	],
	[
		"quotbal",
		request("INVITE sip:user@example.com SIP/2.0", "quotbal.aksdj", { to: '"Mr. J. User <sip:j.user@example.com>' }),
		400,
	],
	["ltgtruri", request("INVITE <sip:user@example.com> SIP/2.0", "ltgtruri.1@192.0.2.5"), 400],
	["lwsruri", request("INVITE sip:user@example.com; lr SIP/2.0", "lwsruri.asdfasdoeoi2323"), 400],
	["lwsstart", request("INVITE  sip:user@example.com  SIP/2.0", "lwsstart.dfknq234oi243099adsdfnawe3"), 400],
	["trws", request("OPTIONS sip:remote-target@example.com SIP/2.0  ", "trws.oicu34958239neffasdhr2345r"), 400],
	[
		"escruri",
		request("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", "escruri.23940-asdfhj"),
		"forwarded",
	],
	[
		"baddate",
		request("INVITE sip:user@example.com SIP/2.0", "baddate.1", { extra: ["Date: Fri, 01 Jan 2010 16:00:00 EST"] }),
		"forwarded",
	],
	[
		"regbadct",
		request("REGISTER sip:example.com SIP/2.0", "regbadct.k345asrl3fdbv@10.0.0.1", {
			extra: ["Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"],
		}),
		400,
	],
	[
		"badaspec",
		request("OPTIONS sip:user@example.org SIP/2.0", "badaspec.sdf", {
			to: '"Watson, Thomas" < sip:t.watson@example.org >',
		}),
		400,
	],
	[
		"baddn",
		request("OPTIONS sip:t.watson@example.org SIP/2.0", "baddn.31415@c.example.com", {
			from: "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
		}),
		400,
	],
	[
		"badvers",
		request("OPTIONS sip:t.watson@example.org SIP/7.0", "badvers.31417", {
			via: "SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
		}),
		505,
	],
	["mismatch01", request("OPTIONS sip:user@example.com SIP/2.0", "mismatch01.dj0234sxdfl3", { cseq: "8 INVITE" }), 400],
	[
		"mismatch02",
		request("NEWMETHOD sip:user@example.com SIP/2.0", "mismatch02.dj0234sxdfl3", { cseq: "8 INVITE" }),
		400,
	],
	[
		"bigcode",
		message([
			"SIP/2.0 4294967301 better not break the receiver",
			"Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe",
			"Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i",
			"CSeq: 353494 INVITE",
			"From: <sip:user@example.com>;tag=39ansfi3",
			"To: <sip:user@example.edu>;tag=902jndnke3",
			"Content-Length: 0",
		]),
		"dropped",
	],
	[
		"badbranch",
		request("OPTIONS sip:user@example.com SIP/2.0", "badbranch.sadonfo23i420jv0as0derf3j3n", {
			via: "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK",
		}),
		"forwarded",
	],
	[
		"insuf",
		message(
			[
				"INVITE sip:user@example.com SIP/2.0",
				"CSeq: 193942 INVITE",
				"Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf",
				"l: 152",
			],
			sdp("192.0.2.95"),
		),
		400,
	],
	[
		"unkscm",
		request("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", "unkscm.nasdfasser0q239nwsdfasdkl34"),
		416,
	],
	["novelsc", request("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", "novelsc.asdfasser0q239nwsdfasdkl34"), 416],
	[
		"unksm2",
		request("REGISTER sip:example.com SIP/2.0", "unksm2.daksdj@hyphenated-host.example.com", {
			to: "isbn:2983792873",
			from: "<http://www.example.com>;tag=3234233",
			extra: ["Contact: <name:John_Smith>"],
		}),
		400,
	],
	[
		"bext01",
		request("OPTIONS sip:user@example.com SIP/2.0", "bext01.0ha0isndaksdj", {
			extra: [
				"Require: nothingSupportsThis, nothingSupportsThisEither",
				"Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
			],
		}),
		420,
	],
	[
		"invut",
		request("INVITE sip:user@example.com SIP/2.0", "invut.0ha0", {
			body: '<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
		}),
		"forwarded",
	],
	[
		"regaut01",
		request("REGISTER sip:example.com SIP/2.0", "regaut01.0ha0", {
			extra: ["Authorization: NoOneKnowsThisScheme opaque-data=here"],
		}),
		401,
	],
	[
		"multi01",
		request("INVITE sip:user@company.com SIP/2.0", "multi01.98asdh@192.0.2.1", {
			extra: ["CSeq: 59 INVITE", "Call-ID: multi01.98asdh@192.0.2.2", "To: sip:other@example.net", "Max-Forwards: 5"],
		}),
		400,
	],
	[
		"mcl01",
		request("OPTIONS sip:user@example.com SIP/2.0", "mcl01.fhn2323orihawfdoa3o4r52o3irsdf", {
			extra: ["Content-Length: 13"],
			length: "5",
			body: "There's no way to know how many octets are supposed to be here.\r\n",
		}),
		400,
	],
	[
		"bcast",
		message(
			[
				"SIP/2.0 200 OK",
				"Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923",
				"Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
				"Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf",
				"CSeq: 35 INVITE",
				"From: sip:user@example.com;tag=11141343",
				"To: sip:user@example.edu;tag=2229",
				"Content-Length: 154",
				"Content-Type: application/sdp",
				"Contact: <sip:user@host28.example.com>",
			],
			sdp("192.0.2.198"),
		),
		"dropped",
	],
	[
		"zeromf",
		request("OPTIONS sip:user@example.com SIP/2.0", "zeromf.jfasdlfnm2o2l43r5u0asdfas", { maxForwards: "0" }),
		483,
	],
	[
		"cparam01",
		request("REGISTER sip:example.com SIP/2.0", "cparam01.70710", {
			extra: ["Contact: sip:+19725552222@gw1.example.net;unknownparam"],
		}),
		200,
	],
	[
		"cparam02",
		request("REGISTER sip:example.com SIP/2.0", "cparam02.70710", {
			extra: ["Contact: <sip:+19725552222@gw1.example.net;unknownparam>"],
		}),
		200,
	],
	[
		"regescrt",
		request("REGISTER sip:example.com SIP/2.0", "regescrt.k345asrl3fdbv@192.0.2.1", {
			extra: ["M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"],
		}),
		200,
	],
	[
		"sdp01",
		request("INVITE sip:user@example.com SIP/2.0", "sdp01.ndaksdj9342dasdd", {
			extra: ["Accept: text/nobodyKnowsThis"],
			body: sdp("192.0.2.5"),
		}),
		"forwarded",
	],
	[
		"inv2543",
		message(
			[
				"INVITE sip:UserB@example.com SIP/2.0",
				"Via: SIP/2.0/UDP iftgw.example.com",
				"From: <sip:+13035551111@ift.client.example.net;user=phone>",
				"Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>",
				"To: sip:+16505552222@ss1.example.net;user=phone",
				"Call-ID: inv2543.1717@ift.client.example.com",
				"CSeq: 56 INVITE",
				"Content-Type: application/sdp",
			],
			sdp("192.0.2.5"),
		),
		"forwarded",
	],
];
