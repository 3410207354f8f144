// node --import swap-net.ts test.js: what the test file requires as `net` and `http` is on sockets of kwik; everything else of Node is as it is.
// A process that the test starts has this in its NODE_OPTIONS too.
import http from "node:http";
import Module from "node:module";
import net from "node:net";
import { Agent } from "kwik/http";
import { createServer, type KwikServer, type ListenArguments, Server, Socket } from "kwik/net";

type Arguments = readonly unknown[];

const dial = { trust: { dangerouslyTrustAnyServer: true } };

/** Unix sockets, descriptors and handles are Node's own. */
function isLocal([first]: Arguments): boolean {
  if (typeof first === "string") return Number.isNaN(Number(first));
  const { path, fd, handle } = (first ?? {}) as Record<string, unknown>;
  return path !== undefined || fd !== undefined || handle !== undefined;
}

/** As the arguments of `net.connect`, with whom to believe. */
function withTrust(args: Arguments): Arguments {
  const [first, second] = args;
  const listener = args.find((one) => typeof one === "function");
  if (typeof first === "object" && first !== null) return [{ ...first, dial }, listener];
  return [{ port: first, ...(typeof second === "string" ? { host: second } : {}), dial }, listener];
}

/** Classes of Node may be called without `new`. */
function callable<C extends object>(made: C): C {
  return new Proxy(made, { apply: (_target, _this, args) => Reflect.construct(made as unknown as new () => object, args) });
}

class TestSocket extends Socket {
  override connect(...args: Arguments): this {
    return super.connect(...(withTrust(args) as Parameters<InstanceType<typeof Socket>["connect"]>));
  }
}

function connect(...args: Arguments): unknown {
  if (isLocal(args)) return net.connect(...(args as Parameters<typeof net.connect>));
  const [first] = args;
  return new TestSocket(typeof first === "object" && first !== null ? first : {}).connect(...args);
}

const testNet = {
  ...net,
  Socket: callable(TestSocket),
  Stream: callable(TestSocket),
  Server: callable(Server),
  connect,
  createConnection: connect,
  createServer,
};

class TestAgent extends Agent {
  constructor(options: http.AgentOptions = {}) {
    super({ ...options, dial });
  }
}

/** An http.Server whose connections come from a server of kwik. */
class TestHttpServer extends http.Server {
  #under: KwikServer | undefined;

  override listen(...args: Arguments): this {
    const under = createServer({ allowHalfOpen: true });
    for (const event of ["connection", "error", "close", "listening"]) under.on(event, (value) => this.emit(event, value));
    const last = args.at(-1);
    if (typeof last === "function") this.once("listening", last as () => void);
    under.listen(...(args.filter((one) => one !== last || typeof one !== "function") as ListenArguments));
    this.#under = under;
    return this;
  }

  isListening(): boolean {
    return this.#under?.listening ?? false;
  }

  override address(): net.AddressInfo | null {
    return this.#under?.address() ?? null;
  }

  override close(callback?: (error?: Error) => void): this {
    if (this.#under === undefined) return super.close(callback);
    this.closeIdleConnections();
    this.#under.close(callback);
    return this;
  }

  override getConnections(callback: (error: Error | null, count: number) => void): this {
    this.#under?.getConnections(callback);
    return this;
  }

  override ref(): this {
    return this;
  }

  override unref(): this {
    return this;
  }
}

Object.defineProperty(TestHttpServer.prototype, "listening", {
  get(this: TestHttpServer) {
    return this.isListening();
  },
});

/** As the arguments of `http.request`, with an agent of kwik's where they leave it to Node. */
function withAgent(args: Arguments): ConstructorParameters<typeof http.ClientRequest> {
  const at = typeof args[0] === "string" || args[0] instanceof URL ? 1 : 0;
  const given = args[at];
  const hasOptions = typeof given === "object" && given !== null;
  const options = hasOptions ? (given as http.RequestOptions) : {};
  if (options.createConnection !== undefined) return args as ConstructorParameters<typeof http.ClientRequest>;
  const agent = options.agent === false ? new TestAgent({ keepAlive: false }) : (options.agent ?? testHttp.globalAgent);
  const copy = Object.assign(Object.create(Object.getPrototypeOf(options)) as object, options, { agent });
  const changed = [...args.slice(0, at), copy, ...args.slice(hasOptions ? at + 1 : at)];
  return changed as ConstructorParameters<typeof http.ClientRequest>;
}

class TestRequest extends http.ClientRequest {
  constructor(...args: Arguments) {
    super(...withAgent(args));
  }
}

const testHttp = {
  ...http,
  ClientRequest: callable(TestRequest),
  Agent: callable(TestAgent),
  globalAgent: new TestAgent({ keepAlive: true, scheduling: "lifo", timeout: 5000 }) as http.Agent,
  Server: callable(TestHttpServer),
  createServer: (...args: ConstructorParameters<typeof TestHttpServer>) => new TestHttpServer(...args),
  request: (...args: Arguments) => new TestRequest(...args),
  get: (...args: Arguments) => new TestRequest(...args).end(),
};

const swapped = new Map<string, unknown>([
  ["net", testNet],
  ["node:net", testNet],
  ["http", testHttp],
  ["node:http", testHttp],
  ["_http_agent", testHttp],
]);

const loader = Module as unknown as { _load(request: string, parent: { filename?: string } | undefined, isMain: boolean): unknown };
const load = loader._load;
loader._load = (request, parent, isMain) => {
  const isTest = /[/\\]test[/\\](?:parallel|sequential)[/\\]/.test(parent?.filename ?? "");
  return (isTest ? swapped.get(request) : undefined) ?? load(request, parent, isMain);
};
