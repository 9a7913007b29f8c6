import { rmSync } from "node:fs";
import { ConversationError } from "../conversation-error.ts";
import { ConversationWriter } from "../format/conversation-writer.ts";
import { passageByProtocol } from "../relay/passage-by-protocol.ts";
import { type Passage, type Relay, type RelayedConnection, startRelay } from "../relay/relay.ts";
import { CallEntries } from "./call-entries.ts";
import { grpcEntries } from "./grpc/grpc-entries.ts";
import { ttrpcEntries } from "./ttrpc-entries.ts";

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

function recordConnection(connection: RelayedConnection, writer: ConversationWriter, redacted: boolean): Passage {
  const conn = connection.id;
  const entries = new CallEntries(writer, conn, redacted);
  return passageByProtocol((protocol) => {
    writer.begin(protocol);
    writer.write({ kind: "opened", conn, protocol });
    const reader = protocol === "ttrpc" ? ttrpcEntries(entries) : grpcEntries(entries);
    return {
      async receive(direction, chunk) {
        reader.push(direction, chunk);
        await Promise.all([connection.write(direction, chunk), writer.ready()]);
      },
      async end(direction) {
        reader.end(direction);
        writer.write({ kind: "ended", conn, by: direction === "request" ? "host" : "agent" });
      },
      closed(error) {
        writer.write({ kind: "closed", conn, ...(error === undefined ? {} : { reason: error.message }) });
      },
    };
  });
}
