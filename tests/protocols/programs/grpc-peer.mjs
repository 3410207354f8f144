// A server or a client of gRPC, without generated code: node grpc-peer.mjs server|client PORT. Methods take and give plain bytes; as grpc_peer.py.
import assert from "node:assert";
import grpc from "@grpc/grpc-js";

const COUNT = 400;
const BLOCK = Buffer.from(Array.from({ length: 256 * 200 }, (_, index) => index % 256));
const bytes = (value) => value;

function numbered(index) {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(index);
  return Buffer.concat([head, BLOCK]);
}

function method(name, requestStream, responseStream) {
  const coding = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  return { path: `/kwik.Test/${name}`, requestStream, responseStream, ...coding };
}

const service = {
  Unary: method("Unary", false, false),
  Down: method("Down", false, true),
  Up: method("Up", true, false),
  Both: method("Both", true, true),
};

/** Writes all blocks, no faster than they are taken. */
async function writeAll(call) {
  for (let i = 0; i < COUNT; i += 1) if (!call.write(numbered(i))) await new Promise((resolve) => call.once("drain", resolve));
  call.end();
}

async function blocksOf(call) {
  let count = 0;
  for await (const block of call) {
    assert(numbered(count).equals(block));
    count += 1;
  }
  return count;
}

const implementation = {
  Unary: (call, done) => done(null, call.request),
  Down: (call) => void writeAll(call),
  Up: (call, done) => {
    blocksOf(call).then((count) => {
      const answer = Buffer.alloc(4);
      answer.writeUInt32BE(count);
      done(null, answer);
    }, done);
  },
  Both: (call) => {
    call.on("data", (block) => {
      if (call.write(block)) return;
      call.pause();
      call.once("drain", () => call.resume());
    });
    call.on("end", () => call.end());
  },
};

const [, , role, port] = process.argv;
if (role === "server") {
  const server = new grpc.Server();
  server.addService(service, implementation);
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
} else {
  const Client = grpc.makeGenericClientConstructor(service, "Test");
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  const answer = (start) => new Promise((resolve, reject) => start((error, value) => (error === null ? resolve(value) : reject(error))));
  for (let i = 0; i < COUNT; i += 1) assert(numbered(i).equals(await answer((done) => client.Unary(numbered(i), done))));
  assert.equal(await blocksOf(client.Down(Buffer.alloc(0))), COUNT);
  let upload;
  const uploaded = answer((done) => {
    upload = client.Up(done);
  });
  await writeAll(upload);
  assert.equal((await uploaded).readUInt32BE(0), COUNT);
  const both = client.Both();
  const [count] = await Promise.all([blocksOf(both), writeAll(both)]);
  assert.equal(count, COUNT);
  client.close();
  process.stdout.write("unary down up both");
}
