import { SessionKey } from "@kwik/core";
import { CLIENT_MEMBER, DEFAULT_LIMITS, errorName, type JoinProof, SeededRng, Session, schedulerFactory } from "@kwik/proto";
import type { TestCluster, TestServer } from "./pair.ts";

/** The session that it joins. */
export const HAND_SESSION_ID = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);

/** What a join states, as the specification writes it: independent of the code that normally does. */
function transcript(fields: readonly string[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of ["kwik join proof v1", ...fields]) {
    const bytes = new TextEncoder().encode(field);
    parts.push(Uint8Array.of(0, 0, bytes.length >> 8, bytes.length & 0xff), bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

export interface Attempt {
  readonly key?: SessionKey;
  readonly signer?: SessionKey;
  readonly ticket?: string;
  /** Whom the proof names; the server itself by default. */
  readonly identity?: string;
  readonly isResume?: boolean;
  readonly token?: string;
  /** How much of the proof's 64 bytes is sent; all by default. */
  readonly proofBytes?: number;
}

/** Joins a server as member 2 on path 1 without the rest of a client, and answers how that went. */
export async function joinByHand(cluster: TestCluster, server: TestServer, attempt: Attempt = {}): Promise<string> {
  const key = attempt.key ?? (await SessionKey.create());
  const state = { role: "client" as const, member: CLIENT_MEMBER, limits: DEFAULT_LIMITS, rng: new SeededRng(1), agent: "by hand" };
  const session = new Session({ ...state, scheduler: schedulerFactory(), clientKey: key.publicKey, identity: "", checksum: undefined }, 0);
  session.state.id = HAND_SESSION_ID;
  const plan = { address: server.address, identity: server.identity, priority: 128, request: undefined };
  // Path 0 and member 1 belong to a primary that this client does not need here.
  const first = session.opening.openPath(0, { ...plan, identity: "sha256:primary" });
  session.linkLost(0, first.id, 0, "not needed");
  while (session.pollEvent() !== undefined);
  session.state.hasEnded = false;
  const path = session.opening.openPath(0, plan);
  if (attempt.isResume === true) session.state.peerOf(path.member).isKnown = true;

  const trust = { ca: undefined, pins: [server.identity], dangerouslyTrustAnyServer: false };
  const [host = "", port = ""] = server.address.split(":");
  const link = await cluster.network.transport.dial({
    address: { host, port: Number(port) },
    trust,
    identity: server.identity,
    clientCertificate: undefined,
    timeoutMs: 1000,
    signal: undefined,
  });
  return new Promise((resolve) => {
    const carriers = new Map<number, ReturnType<typeof link.openCarrier>>();
    const know = (carrier: NonNullable<ReturnType<typeof link.openCarrier>>): void => {
      carriers.set(carrier.id, carrier);
      carrier.receiver = { onData: (data) => session.handleCarrierData(0, path.id, carrier.id, data), onEnd: () => undefined };
    };
    const pump = (): void => {
      for (let next = session.pollTransmit(0); next !== undefined; next = session.pollTransmit(0)) {
        if (next.kind === "send") carriers.get(next.carrier)?.send(next.parts);
        if (next.kind !== "open") continue;
        const carrier = link.openCarrier();
        if (carrier !== undefined) know(carrier);
        session.handleCarrierOpened(0, path.id, carrier?.id);
      }
      for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
        if (event.type === "path-active") resolve("accepted");
        if (event.type === "path-failed" || event.type === "path-dead") resolve(errorName("code" in event ? event.code : 0));
      }
    };
    link.attach({ onCarrier: know, onDatagram: () => undefined, onClose: (info) => resolve(errorName(info.code)), onBatchEnd: pump });
    const fields = [
      Buffer.from(HAND_SESSION_ID).toString("hex"),
      String(path.id),
      String(path.member),
      attempt.identity ?? server.identity,
    ];
    const ticket = attempt.ticket ?? "";
    void (attempt.signer ?? key).sign(transcript([...fields, ticket])).then((proof) => {
      const made: JoinProof = { ticket, proof: proof.subarray(0, attempt.proofBytes) };
      const info = { address: server.address, transport: "memory", identity: server.identity, isEncrypted: true };
      session.opening.join(0, path.id, info, attempt.token ?? "", made);
      pump();
    });
  });
}
