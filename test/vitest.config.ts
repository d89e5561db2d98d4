import { defineConfig } from "vitest/config";
import ClosingLine from "./support/closing-line.ts";

/** Two projects: `unit` opens no port and needs no program; `interop` runs the built product against real ones. */
export default defineConfig({
	test: {
		root: new URL("..", import.meta.url).pathname,
		reporters: ["default", new ClosingLine()],
		projects: [
			{
				test: {
					name: "unit",
					include: ["test/**/*.test.ts"],
					exclude: ["test/interop/**"],
					testTimeout: 60_000,
				},
			},
			{
				test: {
					name: "interop",
					include: ["test/interop/**/*.test.ts"],
					testTimeout: 180_000,
					hookTimeout: 180_000,
					fileParallelism: false,
				},
			},
		],
	},
});
