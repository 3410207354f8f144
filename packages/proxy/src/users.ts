import { createHash, timingSafeEqual } from "node:crypto";
import { KwikError } from "@kwik/core";

/** Who may use a listener. Without any: everybody. */
export class Users {
  readonly #digests: readonly Buffer[];

  /** "name:password" each. Throws INVALID_ARGUMENT. */
  constructor(users: readonly string[]) {
    for (const user of users) {
      const [name = "", ...password] = user.split(":");
      if (name === "" || password.length === 0 || Buffer.byteLength(name) > 255 || Buffer.byteLength(password.join(":")) > 255)
        throw new KwikError("INVALID_ARGUMENT", "a user is NAME:PASSWORD, of 255 bytes at most each");
    }
    this.#digests = users.map(digestOf);
  }

  get isEmpty(): boolean {
    return this.#digests.length === 0;
  }

  /** In the same time whatever is wrong. */
  knows(name: string, password: string): boolean {
    const digest = digestOf(`${name}:${password}`);
    let found = false;
    for (const known of this.#digests) if (timingSafeEqual(known, digest)) found = true;
    return found;
  }

  /** What a Proxy-Authorization header has to say. */
  allowsHeader(header: string | undefined): boolean {
    if (this.isEmpty) return true;
    const text = /^basic +([A-Za-z0-9+/=]{1,1024})$/i.exec(header ?? "")?.[1];
    if (text === undefined) return false;
    const [name = "", ...password] = Buffer.from(text, "base64").toString("utf8").split(":");
    return this.knows(name, password.join(":"));
  }
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
