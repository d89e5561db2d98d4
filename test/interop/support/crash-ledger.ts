/** What a store that was killed may hold: the last acknowledged version of each name, or a newer one that was asked for. */
interface Story {
	/** Version of the last acknowledgement; 0 before the first. */
	acknowledged: number;
	/** Versions asked for that are not older than that, and whether each removes the value. */
	asked: Map<number, "put" | "remove">;
}

export class Ledger {
	readonly #stories = new Map<string, Story>();
	/** Acknowledgements of all rounds. */
	acknowledged = 0;
	/** Faults, in words. */
	readonly faults: string[] = [];

	#story(name: string): Story {
		let story = this.#stories.get(name);
		if (story === undefined) {
			story = { acknowledged: 0, asked: new Map([[0, "remove"]]) };
			this.#stories.set(name, story);
		}
		return story;
	}

	/** One line of the program. */
	line(line: string): void {
		const [verb = "", name = "", version = "", what = ""] = line.split(" ");
		switch (verb) {
			case "ask":
				this.#story(name).asked.set(Number(version), what === "remove" ? "remove" : "put");
				return;
			case "ack":
				this.#acknowledge(this.#story(name), Number(version));
				return;
			case "have":
				this.#found(name, Number(version));
				return;
			case "none":
				this.#found(name, undefined);
				return;
			case "ready":
				return;
			default:
				this.faults.push(line);
		}
	}

	#acknowledge(story: Story, version: number): void {
		this.acknowledged++;
		story.acknowledged = version;
		for (const older of story.asked.keys()) if (older < version) story.asked.delete(older);
	}

	/** What stands there after a start is what counts from then on: a Store that was not acknowledged may have gone either way. */
	#found(name: string, version: number | undefined): void {
		const story = this.#story(name);
		const isAllowed =
			version === undefined
				? [...story.asked.values()].includes("remove")
				: story.asked.get(version) === "put" && version >= story.acknowledged;
		if (!isAllowed) {
			const allowed = [...story.asked].map(([one, what]) => `${what} ${one}`).join(", ");
			this.faults.push(
				`${name}: found ${version ?? "nothing"}, acknowledged ${story.acknowledged}, asked for ${allowed}`,
			);
		}
	}
}
