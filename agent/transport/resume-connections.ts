import { MAX_DEATHS } from "../kernel/journal/deaths.ts";
import type { FoundCall, FoundConnection } from "../kernel/journal/found-calls.ts";
import type { Fd } from "../kernel/kernel.ts";
import { status } from "../service/status.ts";
import { type BrokenEvent, diagnostics, type ResumedEvent } from "./diagnostics.ts";
import { keptDescriptors } from "./kept-connections.ts";
import type { ServedConnection, ServerParts } from "./served-connection.ts";
import type { TtrpcConnection } from "./ttrpc-connection.ts";
import { readKept } from "./ttrpc-request.ts";
import { statusFrame } from "./ttrpc-response.ts";

interface Resumption extends ServerParts {
  readonly deposits: ReadonlyMap<string, Fd>;
  /** Resolves once the work that the previous agent left half done is rolled back. */
  readonly undone: Promise<unknown>;
  serve(fd: Fd, peerCid: number | undefined): ServedConnection;
  nameOf(peerCid: number | undefined): string;
}

/** Resumes each connection of the previous agent, or closes it and publishes why. */
export function resumeConnections(resumption: Resumption): void {
  const descriptors = keptDescriptors(resumption.deposits);
  for (const found of resumption.kept.journal.found) {
    const fd = descriptors.get(found.number);
    descriptors.delete(found.number);
    const broken = whyBroken(found, fd);
    resumption.kept.adopt(found);
    const calls = fd === undefined || broken !== undefined ? undefined : resumeOne(resumption, found, fd);
    if (calls === undefined) discard(resumption, found, broken === undefined ? undefined : fd);
    const why = broken ?? (calls === undefined ? "it can no longer be read" : undefined);
    const event: ResumedEvent = {
      peer: resumption.nameOf(found.peerCid),
      broken: why,
      open: found.calls.length,
      ...calls,
    };
    diagnostics.resumed.publish(event);
  }
  for (const [number, fd] of descriptors) {
    resumption.kept.discard(number);
    resumption.sys.close(fd);
    diagnostics.resumed.publish({
      peer: "unknown",
      broken: "it isn't in the journal",
      open: 0,
    } satisfies ResumedEvent);
  }
}

function whyBroken(found: FoundConnection, fd: Fd | undefined): string | undefined {
  if (fd === undefined) return "init doesn't have its descriptor";
  return found.broken;
}

/** Closes the descriptor, unless the connection has, and forgets the calls. */
function discard({ kept, sys }: Resumption, found: FoundConnection, fd: Fd | undefined): void {
  if (fd !== undefined) {
    sys.endConnection(fd);
    sys.close(fd);
  }
  for (const { place } of found.calls) kept.journal.closeCall(found.index, place);
  kept.drop(found.index);
}

/** Resumes one connection. Returns undefined if it broke at once; its descriptor is then closed. */
function resumeOne(
  resumption: Resumption,
  found: FoundConnection,
  fd: Fd,
): { repeated: number; cutOff: number } | undefined {
  const known = new Set(found.calls.map(({ streamId }) => streamId));
  const counts = { repeated: 0, cutOff: 0 };
  const served = resumption.serve(fd, found.peerCid);
  try {
    const isResumed = served.resume(found, (connection) => {
      for (const call of found.calls) counts[resumeCall(resumption, connection, call)]++;
      // Bytes of the last read that weren't recorded are processed as if they were read now.
      connection.onBytes(found.unparsed, known);
    });
    if (!isResumed) return undefined;
  } catch (error) {
    diagnostics.broken.publish({ error } satisfies BrokenEvent);
    served.destroy();
  }
  return counts;
}

function resumeCall(
  { table, undone }: Resumption,
  connection: TtrpcConnection,
  { place, streamId, body, deadline, answered, deaths }: FoundCall,
): "repeated" | "cutOff" {
  if (answered) {
    connection.answer(body, place);
    return "repeated";
  }
  const kept = readKept(body, deadline);
  if (kept?.whole === true && deaths < MAX_DEATHS) {
    const { request } = kept;
    const { service, method } = request;
    const serve = () => connection.serve({ streamId, place, request, held: 0 });
    const waits = table.mayGoOn(service, method);
    if (waits)
      void undone.then(serve); // in call order
    else if (table.mayRepeat(service, method)) serve();
    if (waits || table.mayRepeat(service, method)) return "repeated";
  }
  const name = kept === undefined ? "the call" : `/${kept.request.service}/${kept.request.method}`;
  const message = `${name}: the agent was restarted during the call, which may or may not have taken effect; check, then retry`;
  void undone.then(() => connection.answer(statusFrame(streamId, status("unavailable", message)), place));
  return "cutOff";
}
