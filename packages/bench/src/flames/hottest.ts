import type { CallTree } from "./call-tree.ts";

/** Where a thread spends its own time, without what is called: the functions with most of it, as shares of the whole. */
export function hottestOf(tree: CallTree, count: number): { readonly name: string; readonly part: string; readonly share: number }[] {
  const own = new Map<string, { part: string; us: number }>();
  const visit = (at: CallTree): void => {
    let us = at.totalUs;
    for (const callee of at.callees.values()) {
      us -= callee.totalUs;
      visit(callee);
    }
    const known = own.get(at.name);
    if (known === undefined) own.set(at.name, { part: at.part, us });
    else known.us += us;
  };
  visit(tree);
  return [...own]
    .map(([name, { part, us }]) => ({ name, part, share: us / tree.totalUs }))
    .sort((a, b) => b.share - a.share)
    .slice(0, count);
}
