/** What V8 writes with `--cpu-prof`, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  /** Ids of the nodes that ran, one after the other. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** A function where it was called from, with the time that it and what it called took. */
export interface CallTree {
  readonly name: string;
  /** The part of the system that it belongs to: a package of kwik's, "node", "native", "collector". */
  readonly part: string;
  /** Microseconds in it and in what it called. */
  totalUs: number;
  readonly callees: Map<string, CallTree>;
}

/** When no function ran: it is no part of the picture. */
const IDLE = "(idle)";

/** All samples of a profile as one tree, from `fromShare` of its time on: what runs before is warming up. Functions of one name and file are one, wherever in it they are called. */
export function callTreeOf(profile: CpuProfile, fromShare = 0): CallTree {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const root: CallTree = { name: "all", part: "native", totalUs: 0, callees: new Map() };
  const totalUs = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0);
  let atUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    const deltaUs = Math.max(0, profile.timeDeltas[index] ?? 0);
    atUs += deltaUs;
    const stack = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.push(byId.get(at)?.callFrame);
    if (atUs < fromShare * totalUs || stack[0]?.functionName === IDLE) continue;
    let tree = root;
    tree.totalUs += deltaUs;
    // The last one is V8's own root.
    for (const frame of stack.slice(0, -1).reverse()) {
      if (frame === undefined) continue;
      tree = calleeOf(tree, frame);
      tree.totalUs += deltaUs;
    }
  }
  return root;
}

function calleeOf(tree: CallTree, { functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): CallTree {
  const file = url.split("/").at(-1) ?? "";
  const place = file === "" ? "" : ` ${file}${functionName === "" ? `:${lineNumber + 1}` : ""}`;
  const name = `${functionName === "" ? "(anonymous)" : functionName}${place}`;
  let callee = tree.callees.get(name);
  if (callee === undefined) {
    callee = { name, part: partOf(functionName, url), totalUs: 0, callees: new Map() };
    tree.callees.set(name, callee);
  }
  return callee;
}

function partOf(functionName: string, url: string): string {
  if (functionName === "(garbage collector)") return "collector";
  if (url === "") return "native";
  if (url.startsWith("node:")) return "node";
  if (url.includes("/node_modules/")) return /\/node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(url)?.[1] ?? "node";
  return /\/packages\/([^/]+)\//.exec(url)?.[1] ?? "node";
}
