export { type BenchOptions, runBench } from "./run-bench.ts";
export { type LabOptions, runLab } from "./lab/run-lab.ts";
export { runFlames } from "./flames/run-flames.ts";
