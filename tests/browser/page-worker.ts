/** The part of a dedicated worker's world that the pages of these tests use; it is not in a library that Node's types know. */
type WorkerConstructor = new (
  url: string,
  options: { readonly type: "module" },
) => {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message: string }) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
};

/** Runs the page's own script in a worker, gives it one request, and answers what it says. */
export function inWorker(request: unknown): Promise<unknown> {
  const { Worker } = globalThis as unknown as { readonly Worker: WorkerConstructor };
  const worker = new Worker("/page.js", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(request);
  });
}

/** In a worker: answers requests. In a page it does nothing. */
export function answerInWorker<Request>(answer: (request: Request) => Promise<unknown>): void {
  const host = globalThis as unknown as {
    readonly document?: unknown;
    onmessage?: (event: { readonly data: Request }) => void;
    postMessage(message: unknown): void;
  };
  if (host.document === undefined) host.onmessage = ({ data }) => void answer(data).then((result) => host.postMessage(result));
}
