import type { Route } from "../../../lib/ip-json.ts";
import type { guestd } from "../../../proto/gen/messages.js";
import { invalidArgument, quoted } from "../../kernel/invalid-argument.ts";
import { checkInterface, type WantedInterface } from "../../network/update-interface.ts";
import { checkRoutes } from "../../network/update-routes.ts";
import { toInterface } from "../to-interface.ts";
import { toRoute } from "../to-route.ts";

const MIN_ENTROPY = 32;
const MAX_ENTROPY = 1024;
/** Seconds until 2106. */
const MAX_SECONDS = 0xffff_ffff;
/** HOST_NAME_MAX. */
const MAX_HOSTNAME = 64;
const MAX_INTERFACES = 256;
const MAX_DNS_LINES = 64;
const MAX_DNS_LINE = 1024;

/** Identity of a clone, checked. Empty text and lists change nothing. */
export interface CloneIdentity {
  readonly epoch: number;
  readonly entropy: Uint8Array;
  /** Undefined: the clock isn't changed. */
  readonly time: { readonly seconds: number; readonly nanos: number } | undefined;
  readonly hostname: string;
  readonly machineId: string;
  readonly interfaces: readonly WantedInterface[];
  readonly routes: readonly Route[];
  readonly dns: readonly string[];
}

/** Checks every field of a Resumed. Throws invalid-argument for the first one that can't be accepted. */
export function checkResumed(request: guestd.v1.ResumedRequest): CloneIdentity {
  const { epoch, entropy, realtime_seconds: seconds, realtime_nanos: nanos, hostname, machine_id, dns } = request;
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw invalidArgument(`resumed: epoch ${epoch} is not below 2^53`);
  if (entropy.length > MAX_ENTROPY || (entropy.length > 0 && entropy.length < MIN_ENTROPY)) {
    const why = `entropy of ${entropy.length} bytes; send ${MIN_ENTROPY} to ${MAX_ENTROPY}`;
    throw invalidArgument(`resumed: ${why}`);
  }
  if (!(seconds >= 0 && seconds <= MAX_SECONDS && nanos >= 0 && nanos < 1e9)) {
    throw invalidArgument(`resumed: ${seconds} s and ${nanos} ns are no time till 2106`);
  }
  if (hostname !== "" && !(hostname.length <= MAX_HOSTNAME && /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(hostname))) {
    const why = `not a host name of up to ${MAX_HOSTNAME} letters, digits, dots and hyphens`;
    throw invalidArgument(`resumed: hostname ${quoted(hostname)}: ${why}`);
  }
  if (machine_id !== "" && !/^[0-9a-f]{32}$/.test(machine_id)) {
    throw invalidArgument(`resumed: machine_id ${quoted(machine_id)}: not 32 hexadecimal digits in lower case`);
  }
  if (request.interfaces.length > MAX_INTERFACES) {
    throw invalidArgument(`resumed: ${request.interfaces.length} interfaces, at most ${MAX_INTERFACES} are allowed`);
  }
  checkDns(dns);
  const interfaces = request.interfaces.map(toInterface);
  for (const each of interfaces) checkInterface(each);
  const routes = request.routes.map(toRoute);
  checkRoutes(routes);
  const time = seconds === 0 && nanos === 0 ? undefined : { seconds, nanos };
  return { epoch, entropy, time, hostname, machineId: machine_id, interfaces, routes, dns };
}

/** Throws unless a clone gets randomness of its own. */
export function checkEntropy({ epoch, entropy }: CloneIdentity): void {
  if (entropy.length > 0) return;
  throw invalidArgument(`resumed: epoch ${epoch} makes this guest a clone, which needs entropy; send 32 bytes or more`);
}

function checkDns(lines: readonly string[]): void {
  if (lines.length > MAX_DNS_LINES) {
    throw invalidArgument(`resumed: ${lines.length} lines of dns, at most ${MAX_DNS_LINES} are allowed`);
  }
  const bad = lines.find((line) => line.length > MAX_DNS_LINE || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(line));
  if (bad !== undefined)
    throw invalidArgument(`resumed: dns ${quoted(bad)}: not one line of up to ${MAX_DNS_LINE} characters`);
}
