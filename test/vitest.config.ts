import { defineConfig } from "vitest/config";
import ClosingLine from "./support/closing-line.ts";

/**
 * Three projects: `unit` opens no port and needs no program; `xs` runs the pure suites again, in the device's engine; `interop` runs the
 * built product against real programs.
 */
export default defineConfig({
	test: {
		root: new URL("..", import.meta.url).pathname,
		reporters: ["default", new ClosingLine()],
		projects: [
			{
				test: {
					name: "unit",
					include: ["test/**/*.test.ts"],
					exclude: ["test/interop/**", "test/xs/**"],
					testTimeout: 60_000,
				},
			},
			{
				test: {
					name: "xs",
					include: ["test/xs/*.test.ts"],
					testTimeout: 120_000,
					hookTimeout: 120_000,
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
