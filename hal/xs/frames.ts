/** Cuts what a microphone gives into frames of 160 samples, and asks for such frames as a loudspeaker takes octets. Nothing native. */

export const FRAME_SAMPLES = 160;
export const FRAME_OCTETS = 2 * FRAME_SAMPLES;

/** Octets in, frames out; nothing is allocated per frame. */
export class FrameCutter {
	readonly #frame = new Int16Array(FRAME_SAMPLES);
	readonly #octets = new Uint8Array(this.#frame.buffer);
	#have = 0;

	/** Room for the next octets of the microphone: a view to read into. */
	room(): Uint8Array {
		return this.#have === 0 ? this.#octets : this.#octets.subarray(this.#have);
	}

	/** `count` octets were put into `room`; the frame, when it is whole (valid until the next call). */
	filled(count: number): Int16Array | undefined {
		this.#have += count;
		if (this.#have < FRAME_OCTETS) return undefined;
		this.#have = 0;
		return this.#frame;
	}
}

/** Frames in, octets out. */
export class FrameFeeder {
	readonly #frame = new Int16Array(FRAME_SAMPLES);
	readonly #octets = new Uint8Array(this.#frame.buffer);
	#sent = FRAME_OCTETS;

	/** At most `count` octets for the loudspeaker; `fill` is asked for the next frame when one is used up. */
	take(count: number, fill: (frame: Int16Array) => void): Uint8Array {
		if (this.#sent === FRAME_OCTETS) {
			fill(this.#frame);
			this.#sent = 0;
		}
		const from = this.#sent;
		this.#sent = Math.min(FRAME_OCTETS, from + count);
		return from === 0 && this.#sent === FRAME_OCTETS ? this.#octets : this.#octets.subarray(from, this.#sent);
	}
}
