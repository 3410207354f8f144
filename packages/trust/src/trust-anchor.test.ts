import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeAuthorityVoucher } from "./authority-voucher.ts";
import { type KeyPair, newServerKey, privateKeyPem, signCertificate } from "./certificate.ts";
import { initCluster, issueServer } from "./cluster.ts";
import { identityOf, privateNameOf } from "./identity.ts";
import { makeSelfSigned, type ServerCertificate } from "./self-signed.ts";
import { probe, withTlsServer } from "./tls-probe.fixture.ts";
import { trustAnchorFor, trustAnchorUnder } from "./trust-anchor.ts";

const notTrusted = (text: string) => expect.objectContaining({ code: "NOT_TRUSTED", message: expect.stringContaining(text) });
const nowMs = Date.now();

let dir: string;
let ca: string;
let chain: string;
let serverKey: string;
let identity: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "kwik-anchor-"));
  await initCluster(dir);
  const issued = await issueServer(dir, { hosts: ["a.example", "10.0.0.1"] });
  [ca, chain, serverKey] = (await Promise.all(
    [join(dir, "ca.pem"), issued.certFile, issued.keyFile].map((file) => readFile(file, "utf8")),
  )) as [string, string, string];
  identity = issued.identity;
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What an attacker can make who knows a public key but not its private half: an authority of his own, and certificates from it. */
async function attacker(): Promise<{ ca: string; key: KeyPair; certify(subject: KeyPair["publicKey"], names: string[]): string }> {
  const key = await newServerKey();
  const issuer = { commonName: "kwik cluster of the attacker", ...key };
  const common = { validDays: 1, nowMs };
  return {
    key,
    ca: signCertificate({ ...common, commonName: issuer.commonName, publicKey: key.publicKey, names: [], isAuthority: true }, issuer),
    certify: (subject, names) =>
      signCertificate({ ...common, commonName: "kwik server", publicKey: subject, names, isAuthority: false }, issuer),
  };
}

test("a self-signed server is pinned by its key and then verified under its private name", async () => {
  const server = await makeSelfSigned();
  const anchor = trustAnchorFor(server.cert, [`sha256:${"0".repeat(64)}`, server.identity]);
  expect(anchor).toEqual({ ca: server.cert, serverName: privateNameOf(server.identity), identity: server.identity });
  await withTlsServer(server.cert, server.key, async (port) => {
    expect(await probe(port, anchor.ca, anchor.serverName)).toBe("ok");
  });
});

test("a server of a cluster is pinned by its key alone: the key vouches for the authority", async () => {
  const anchor = trustAnchorFor(chain, [identity]);
  expect(anchor.serverName).toBe(privateNameOf(identity));
  expect(new X509Certificate(anchor.ca).raw).toEqual(new X509Certificate(ca).raw);
  await withTlsServer(chain, serverKey, async (port) => {
    expect(await probe(port, anchor.ca, anchor.serverName)).toBe("ok");
  });
});

test("one who repeats the true server's certificate gets an anchor that he cannot answer to", async () => {
  const server = await makeSelfSigned();
  const anchor = trustAnchorFor(server.cert, [server.identity]);
  const man = await attacker();
  const own = await makeSelfSigned();
  const forged = man.certify(man.key.publicKey, [anchor.serverName]);
  const answers: [string, string][] = [
    [own.cert, own.key],
    [forged + man.ca, privateKeyPem(man.key.privateKey)],
    // The true certificate sent along, behind one whose key he has.
    [forged + server.cert, privateKeyPem(man.key.privateKey)],
  ];
  for (const [cert, key] of answers) {
    await withTlsServer(cert, key, async (port) => {
      expect(await probe(port, anchor.ca, anchor.serverName)).not.toBe("ok");
    });
  }
});

test("one who certifies the pinned key by an authority of his own is refused", async () => {
  const man = await attacker();
  const victim = createPublicKey(serverKey);
  const copy = man.certify(victim, [privateNameOf(identity)]);
  expect(() => trustAnchorFor(copy + man.ca, [identity])).toThrow(notTrusted("does not vouch"));
  // With the true voucher, which is for another authority.
  expect(() => trustAnchorFor(copy + man.ca + chain.slice(chain.indexOf("-----BEGIN KWIK")), [identity])).toThrow(
    notTrusted("does not vouch"),
  );
  // With a voucher that he signed himself.
  const forged = makeAuthorityVoucher(man.key.privateKey, new X509Certificate(man.ca));
  expect(() => trustAnchorFor(copy + man.ca + forged, [identity])).toThrow(notTrusted("does not vouch"));
  // Had the client believed the authority it was shown, this would have been the attack:
  const impostor = man.certify(man.key.publicKey, [privateNameOf(identity)]);
  await withTlsServer(impostor, privateKeyPem(man.key.privateKey), async (port) => {
    expect(await probe(port, man.ca, privateNameOf(identity))).toBe("ok");
  });
});

test("a certificate that names the pinned key and only claims to be signed by it is refused", async () => {
  const server = await makeSelfSigned();
  const man = await attacker();
  const commonName = "kwik server";
  const names = [privateNameOf(server.identity)];
  const publicKey = createPublicKey(server.key);
  const fake = signCertificate(
    { commonName, publicKey, names, isAuthority: true, validDays: 1, nowMs },
    { commonName, publicKey, privateKey: man.key.privateKey },
  );
  expect(() => trustAnchorFor(fake, [server.identity])).toThrow(notTrusted("not signed by its own key"));
});

test("claims that lead nowhere are refused with their reason", async () => {
  const server: ServerCertificate = await makeSelfSigned();
  const own = createPrivateKey(server.key);
  const commonName = "x";
  const bare = signCertificate(
    { commonName, publicKey: createPublicKey(server.key), names: ["localhost"], isAuthority: false, validDays: 1, nowMs },
    { commonName, publicKey: createPublicKey(server.key), privateKey: own },
  );
  const leafOnly = chain.slice(0, chain.indexOf("-----END CERTIFICATE-----") + 26);
  const noVoucher = chain.slice(0, chain.indexOf("-----BEGIN KWIK"));
  const cases: [string, string, string][] = [
    ["", identity, "no readable certificate"],
    ["\0\u{1F980} garbage", identity, "no readable certificate"],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", identity, "no readable certificate"],
    [server.cert.slice(0, -200), server.identity, "no readable certificate"],
    [server.cert.repeat(9), server.identity, "more than 8"],
    [server.cert + " ".repeat(70_000), server.identity, "oversized"],
    [server.cert, identity, "its key is"],
    [ca + chain, identity, "its key is"],
    [bare, server.identity, "private name"],
    [leafOnly, identity, "does not show the authority"],
    [noVoucher, identity, "does not vouch"],
  ];
  for (const [claim, pin, text] of cases) expect(() => trustAnchorFor(claim, [pin]), text).toThrow(notTrusted(text));
  expect(() => trustAnchorFor(server.cert, [server.identity], nowMs + 14 * 86_400_000)).toThrow(notTrusted("expired"));
  expect(() => trustAnchorFor(server.cert, [server.identity], nowMs - 86_400_000)).toThrow(notTrusted("clocks"));
  expect(() => trustAnchorFor(server.cert, ["nonsense"])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("under an authority, a server dialled by IP address is known by a certificate that carries the address", async () => {
  const anchor = trustAnchorUnder(chain, ca, "10.0.0.1");
  expect(anchor).toEqual({ ca, serverName: privateNameOf(identity), identity });
  await withTlsServer(chain, serverKey, async (port) => {
    expect(await probe(port, anchor.ca, anchor.serverName)).toBe("ok");
  });
  for (const host of ["10.0.0.2", "b.example", ".example", "example"])
    expect(() => trustAnchorUnder(chain, ca, host)).toThrow(notTrusted(`not for ${host}`));
  expect(trustAnchorUnder(chain, ca, "a.example")).toEqual(anchor);
  const man = await attacker();
  const forged = man.certify(man.key.publicKey, ["10.0.0.1", privateNameOf(identityOf(man.key.publicKey))]);
  expect(() => trustAnchorUnder(forged + man.ca, ca, "10.0.0.1")).toThrow(notTrusted("given authority"));
  expect(() => trustAnchorUnder(chain, "no pem", "10.0.0.1")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(trustAnchorUnder(chain, man.ca + ca, "10.0.0.1").identity).toBe(identity);
});
