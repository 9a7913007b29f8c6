import type { FoundCall, FoundConnection } from "../kernel/journal/found-calls.ts";
import type { Fd } from "../kernel/kernel.ts";
import { status } from "../service/status.ts";
import { type BrokenEvent, diagnostics, type ResumedEvent } from "./diagnostics.ts";
import { keptDescriptors } from "./kept-connections.ts";
import type { ServedConnection, ServerParts } from "./served-connection.ts";
import type { TtrpcConnection } from "./ttrpc-connection.ts";
import { readKept } from "./ttrpc-request.ts";
import { statusFrame } from "./ttrpc-response.ts";

/**
 * A call during whose beginning so many agents ended, one after the other, is the cause, and not made again. Two that were
 * killed for their silence count as many.
 */
const MOST_DEATHS = 4;

interface Resumption extends ServerParts {
  readonly deposits: ReadonlyMap<string, Fd>;
  readonly undone: Promise<unknown>;
  serve(fd: Fd, peerCid: number | undefined): ServedConnection;
  nameOf(peerCid: number | undefined): string;
}

/** Goes on with each connection of an agent before, or closes it and says why. */
export function resumeConnections(resumption: Resumption): void {
  const descriptors = keptDescriptors(resumption.deposits);
  for (const found of resumption.kept.journal.found) {
    const fd = descriptors.get(found.number);
    descriptors.delete(found.number);
    const broken = whyBroken(found, fd);
    resumption.kept.adopt(found);
    const calls = fd === undefined || broken !== undefined ? undefined : resumeOne(resumption, found, fd);
    if (calls === undefined) giveUp(resumption, found, broken === undefined ? undefined : fd);
    const why = broken ?? (calls === undefined ? "it can't be read any more" : undefined);
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
      broken: "the journal does not know it",
      open: 0,
    } satisfies ResumedEvent);
  }
}

function whyBroken(found: FoundConnection, fd: Fd | undefined): string | undefined {
  if (fd === undefined) return "its descriptor is not with init";
  return found.broken;
}

/** Closes the descriptor, unless the connection did, and forgets the calls. */
function giveUp({ kept, sys }: Resumption, found: FoundConnection, fd: Fd | undefined): void {
  if (fd !== undefined) {
    sys.endConnection(fd);
    sys.close(fd);
  }
  for (const { place } of found.calls) kept.journal.closeCall(found.index, place);
  kept.drop(found.index);
}

/** Undefined when the connection broke at once; its descriptor is closed then. */
function resumeOne(
  resumption: Resumption,
  found: FoundConnection,
  fd: Fd,
): { repeated: number; cutOff: number } | undefined {
  const known = new Set(found.calls.map(({ streamId }) => streamId));
  const counts = { repeated: 0, cutOff: 0 };
  const served = resumption.serve(fd, found.peerCid);
  try {
    const goesOn = served.resume(found, (connection) => {
      for (const call of found.calls) counts[resumeCall(resumption, connection, call)]++;
      // What was read last and not noted comes as if it were read now.
      connection.onBytes(found.unparsed, known);
    });
    if (!goesOn) return undefined;
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
  if (kept?.whole === true && deaths < MOST_DEATHS) {
    const { request } = kept;
    const { service, method } = request;
    const serve = () => connection.serve({ streamId, place, request, held: 0 });
    const waits = table.mayGoOn(service, method);
    if (waits)
      void undone.then(serve); // in the order of the calls
    else if (table.mayRepeat(service, method)) serve();
    if (waits || table.mayRepeat(service, method)) return "repeated";
  }
  const name = kept === undefined ? "the call" : `/${kept.request.service}/${kept.request.method}`;
  const message = `${name}: the agent was restarted during the call, which may be done or not; look, then call again`;
  void undone.then(() => connection.answer(statusFrame(streamId, status("unavailable", message)), place));
  return "cutOff";
}
