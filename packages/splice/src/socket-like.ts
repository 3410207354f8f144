import { Duplex } from "node:stream";

/** A duplex stream with what node:http asks of a socket beyond that. There is no socket below, so there is nothing to do for it. Either side may end first. */
export class SocketLike extends Duplex {
  constructor() {
    super({ allowHalfOpen: true });
  }

  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
