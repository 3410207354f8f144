import type { TallyBook } from "../load/tally.ts";
import { installSteppedClock, stepClock } from "./clock-step.ts";
import type { Message, Question } from "./messages.ts";
import { processState } from "./process-state.ts";

const TELL_MS = 200;

/** What a process does when it is asked, by name. */
export type Commands = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

/** Says that an invariant is broken. */
export function reportViolation(text: string): void {
  tell({ type: "violation", text });
}

/** Makes what the process is for, and answers questions until it is told to leave, or its parent is gone. */
export async function serveQuestions(tally: TallyBook, make: () => Promise<Commands>): Promise<void> {
  installSteppedClock();
  process.on("uncaughtException", (error) => {
    reportViolation(`uncaught: ${error.stack ?? error.message}`);
    process.exitCode = 1;
  });
  const onLoss = (): void => process.exit(1);
  process.once("disconnect", onLoss);
  const timer = setInterval(() => {
    const counts = tally.take();
    if (counts !== undefined) tell({ type: "tally", tally: counts });
  }, TELL_MS);
  const commands: Commands = {
    ...(await make()),
    clock: async ({ stepMs }: { stepMs: number }) => stepClock(stepMs),
    state: processState,
    /** Lets go of the run: from now on nothing but a handle that was left behind keeps the process alive. */
    leave: async () => {
      clearInterval(timer);
      process.off("disconnect", onLoss);
      setImmediate(() => process.disconnect?.());
    },
  };
  process.on("message", (question: Question) => void answer(commands, tally, question));
  tell({ type: "answer", id: 0 });
}

async function answer(commands: Commands, tally: TallyBook, { id, command, argument }: Question): Promise<void> {
  try {
    const run = commands[command];
    if (run === undefined) throw new Error(`there is no command ${command}`);
    const value = await run(argument as never);
    const counts = tally.take();
    if (counts !== undefined) tell({ type: "tally", tally: counts });
    tell({ type: "answer", id, value });
  } catch (error) {
    tell({ type: "answer", id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function tell(message: Message): void {
  if (process.connected) process.send?.(message);
}
