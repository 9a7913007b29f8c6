import { rmSync } from "node:fs";
import { ConversationError } from "../conversation-error.ts";
import type { Direction } from "../format/conversation.ts";
import { ConversationWriter } from "../format/conversation-writer.ts";
import { type Passage, type Relay, type RelayedConnection, startRelay } from "../relay/relay.ts";
import { CallEntries } from "./call-entries.ts";
import { grpcEntries } from "./grpc/grpc-entries.ts";
import { ttrpcEntries, type WireReader } from "./ttrpc-entries.ts";

export interface RecordOptions {
  /** Where the host connects: unix:///path, unix://@name or hvsock:///path:port. */
  readonly listen: string;
  /** Address of the agent. */
  readonly to: string;
  /** File to create. */
  readonly file: string;
  /** Replaces secrets by as many x. */
  readonly redacted?: boolean;
  /** Reports lost connections, and once that the file can't be written any more, which doesn't end the relay. */
  onError(error: Error): void;
}

/** A recording in progress. Disposing of it closes all connections and the file. */
export interface Recording extends AsyncDisposable {
  readonly address: string;
  /** True if the file holds everything so far. */
  readonly complete: boolean;
}

/**
 * Relays a host's connections to an agent without changing a byte, and writes their calls to a file, in the order in which the
 * relay saw them: a response before it is passed on. Rejects with a one-line error.
 */
export async function startRecording(options: RecordOptions): Promise<Recording> {
  const { listen, to, file, redacted = false, onError } = options;
  let complete = true;
  const writer = await ConversationWriter.create(file, redacted, (error) => {
    complete = false;
    onError(
      new ConversationError(`write ${file}: ${error.message}; the relay continues without recording`, { cause: error }),
    );
  }).catch((error: NodeJS.ErrnoException) => {
    const remedy = error.code === "EEXIST" ? "it exists; choose another name, or remove it" : error.message;
    throw new ConversationError(`create ${file}: ${remedy}`, { cause: error });
  });
  let relay: Relay;
  try {
    relay = await startRelay({
      listen,
      to,
      onError,
      open: (connection) => recordConnection(connection, writer, redacted),
    });
  } catch (error) {
    await writer.close();
    rmSync(file);
    throw error;
  }
  return {
    address: relay.address,
    get complete() {
      return complete;
    },
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await writer.close();
    },
  };
}

/** First byte of the HTTP/2 preface. As the first byte of a ttRPC frame it would mean over a gigabyte. */
const GRPC_FIRST = 0x50;

function recordConnection(connection: RelayedConnection, writer: ConversationWriter, redacted: boolean): Passage {
  const conn = connection.id;
  const entries = new CallEntries(writer, conn, redacted);
  let reader: WireReader | undefined;
  /** Chooses the protocol by the first byte. Of both, only gRPC lets the agent begin; a silent host counts as ttRPC. */
  const readerFor = (direction: Direction, first?: number): WireReader => {
    if (reader !== undefined) return reader;
    const protocol = first === GRPC_FIRST || (first !== undefined && direction === "response") ? "grpc" : "ttrpc";
    writer.begin(protocol);
    writer.write({ kind: "opened", conn, protocol });
    reader = protocol === "ttrpc" ? ttrpcEntries(entries) : grpcEntries(entries);
    return reader;
  };
  return {
    async receive(direction, chunk) {
      readerFor(direction, chunk[0]).push(direction, chunk);
      await Promise.all([connection.write(direction, chunk), writer.ready()]);
    },
    async end(direction) {
      readerFor(direction).end(direction);
      writer.write({ kind: "ended", conn, by: direction === "request" ? "host" : "agent" });
    },
    closed(error) {
      readerFor("request");
      writer.write({ kind: "closed", conn, ...(error === undefined ? {} : { reason: error.message }) });
    },
  };
}
