export { type BenchOptions, runBench } from "./run-bench.ts";
