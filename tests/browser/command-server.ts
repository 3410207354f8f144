import type { Carrier, Link, LinkCloseInfo, LinkReceiver } from "@kwik/core";
import { patternAt } from "./pattern.ts";

const BLOCK_BYTES = 100_000;

/** A link on the server: each of its carriers begins with a line that says what to do with the rest. */
export class CommandServer implements LinkReceiver {
  readonly link: Link;
  closed: LinkCloseInfo | undefined;
  /** Carriers of the command "watch" that have ended. */
  ends = 0;

  constructor(link: Link) {
    this.link = link;
    link.attach(this);
  }

  onCarrier(carrier: Carrier): void {
    let head = "";
    let onData: ((data: Uint8Array) => void) | undefined;
    carrier.receiver = {
      onData: (data) => {
        if (onData !== undefined) {
          onData(data);
          return;
        }
        const end = data.indexOf(10);
        head += Buffer.from(data.subarray(0, end < 0 ? data.length : end)).toString();
        if (end < 0) return;
        onData = this.#obey(carrier, head);
        if (end + 1 < data.length) onData(data.subarray(end + 1));
      },
      onEnd: () => {
        if (head === "watch") this.ends += 1;
      },
    };
  }

  onDatagram(data: Uint8Array): void {
    this.link.sendDatagram(data);
  }

  onClose(info: LinkCloseInfo): void {
    this.closed = info;
  }

  onBatchEnd(): void {
    // answers leave at once
  }

  /** Answers what receives the carrier's further bytes. */
  #obey(carrier: Carrier, line: string): (data: Uint8Array) => void {
    const [command = "", length = "0"] = line.split(" ");
    switch (command) {
      case "echo":
        return (data) => carrier.send([data]);
      case "down":
        sendPattern(carrier, Number(length));
        return ignore;
      case "up":
        return checkPattern(carrier, Number(length));
      case "open":
        this.#open()?.send([Buffer.from("from the server")]);
        return ignore;
      case "open-many":
        carrier.send([Buffer.from(String(this.#openMany()))]);
        return ignore;
      case "watch":
        carrier.send([Buffer.from("yes")]);
        return () => carrier.send([Buffer.from("yes")]);
      case "reset":
        carrier.reset(5);
        return ignore;
      case "close":
        this.link.close(4_000_000_001, "the server has enough: größer");
        return ignore;
      default:
        return ignore;
    }
  }

  #open(): Carrier | undefined {
    const carrier = this.link.openCarrier();
    if (carrier !== undefined) carrier.receiver = { onData: (data) => carrier.send([data]), onEnd: () => undefined };
    return carrier;
  }

  #openMany(): number {
    for (let opened = 0; ; opened += 1) {
      const carrier = this.#open();
      if (carrier === undefined) return opened;
      carrier.send([Uint8Array.of(1)]);
    }
  }
}

function sendPattern(carrier: Carrier, length: number): void {
  for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, length - offset));
    for (let i = 0; i < block.length; i += 1) block[i] = patternAt(offset + i);
    carrier.send([block]);
  }
}

/** Answers on the carrier once all came: how much, and where the first wrong byte was. */
function checkPattern(carrier: Carrier, length: number): (data: Uint8Array) => void {
  let received = 0;
  let wrongAt = -1;
  return (data) => {
    for (let i = 0; i < data.length && wrongAt < 0; i += 1) if (data[i] !== patternAt(received + i)) wrongAt = received + i;
    received += data.length;
    if (received >= length) carrier.send([Buffer.from(`${received} received, wrong at ${wrongAt}`)]);
  };
}

function ignore(): void {
  // says nothing
}
