import { KwikError } from "@kwik/core";
import type { NativeEvent } from "./engine/binding.ts";

/** TLS alerts arrive as 256 + alert. */
const TLS_ALERT = 0x100;

const ALERTS = new Map<number, string>([
  [42, "its certificate was not issued for the expected name or key"],
  [43, "its certificate is of a kind that cannot be checked"],
  [44, "its certificate was revoked"],
  [45, "its certificate has expired or is not valid yet"],
  [46, "its certificate could not be checked"],
  [48, "its certificate was not issued by a trusted authority"],
]);

const NO_APPLICATION_PROTOCOL = 120;

/** Why a handshake ended, from the engine's close event. */
export function handshakeError(event: NativeEvent, where: string, serverName: string): KwikError {
  const code = event.meta?.errorCode ?? 0;
  const reason = event.meta?.errorReason ?? "";
  const alert = code >= TLS_ALERT && code < TLS_ALERT + 256 ? code - TLS_ALERT : undefined;
  if (alert === NO_APPLICATION_PROTOCOL) return new KwikError("NOT_KWIK", `${where} speaks QUIC but not kwik`);
  if (alert !== undefined) {
    const what = ALERTS.get(alert) ?? `the TLS handshake failed (alert ${alert})`;
    const expected = alert === 42 ? ` (expected ${serverName})` : "";
    return new KwikError("NOT_TRUSTED", `${where} is not trusted: ${what}${expected}`);
  }
  const detail = reason === "" ? `QUIC error ${code}` : reason;
  return new KwikError("UNREACHABLE", `${where} refused the connection: ${detail}`, { remote: true });
}

/** Nobody answered in time. Another protocol on that port looks the same, because the engine tells no difference. */
export function unreachable(where: string, timeoutMs: number): KwikError {
  return new KwikError("UNREACHABLE", `no kwik server answered at ${where} over QUIC within ${Math.round(timeoutMs / 100) / 10} s`);
}
