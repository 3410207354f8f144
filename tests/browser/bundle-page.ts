import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** One of the `…-page.ts` files beside this one, with all that it imports, as one module for a browser. */
export async function bundlePage(file: string): Promise<string> {
  const bundle = await rolldown({
    input: fileURLToPath(new URL(file, import.meta.url)),
    platform: "browser",
    // What is imported in vain, Node's own modules for instance, is left out; what is not, is said below.
    logLevel: "silent",
    resolve: { conditionNames: ["kwik-source", "import", "browser", "default"] },
  });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  const [{ code, imports }] = output;
  if (imports.length > 0) throw new Error(`${file} leads to imports of ${imports.join(", ")}, which a browser does not have`);
  return code;
}
