import type { Duplex } from "node:stream";
import type { AuthContext, Connection, ParsedKey } from "ssh2";
import ssh2 from "ssh2";
import { CliError } from "../cli-error.ts";
import { type ForwardPlace, serveForward, tcpPlace } from "./serve-forward.ts";
import { serveSession } from "./serve-session.ts";
import type { SshTarget } from "./ssh-target.ts";

const MAX_CHANNELS = 128;
/** ssh offers each of its keys in turn. */
const MAX_ATTEMPTS = 64;
const LOGIN_MS = 120_000;
/** Ciphers of Node's OpenSSL; that of OpenSSH's first choice would run in JavaScript. */
const CIPHERS = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"] as const;

export interface SshOptions {
  readonly hostKey: string;
  /** Public keys, one of which the client has to have. */
  readonly keys: readonly ParsedKey[];
  /** Ends the connection. */
  readonly signal: AbortSignal;
}

/**
 * Serves SSH over a stream until the client is gone and the processes of its sessions have ended. Rejects with CliError if
 * the client breaks the protocol or doesn't log in.
 */
export async function serveSsh(stream: Duplex, target: SshTarget, options: SshOptions): Promise<void> {
  const { hostKey, keys, signal } = options;
  const closing = new AbortController();
  const work = new Set<Promise<void>>();
  let failure: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    const end = (error?: Error) => {
      if (closing.signal.aborted) return;
      failure = error;
      closing.abort();
      stream.destroy();
      resolve();
    };
    const server = new ssh2.Server(
      { hostKeys: [hostKey], ident: "guestctl", algorithms: { cipher: [...CIPHERS] } },
      (connection) => {
        const late = setTimeout(() => end(new CliError("ssh-proxy: the client didn't log in in time")), LOGIN_MS);
        connection.on("ready", () => clearTimeout(late));
        connection.on("error", (error: Error) => end(new CliError(`ssh-proxy: ${error.message}`, { cause: error })));
        connection.on("end", () => end()).on("close", () => end());
        closing.signal.addEventListener("abort", () => clearTimeout(late), { once: true });
        authenticate(connection, keys, end);
        serveChannels(connection, target, closing.signal, work);
      },
    );
    server.on("error", end);
    stream.once("close", () => end()).once("end", () => end());
    signal.addEventListener("abort", () => end(), { once: true });
    server.injectSocket(stream as Parameters<typeof server.injectSocket>[0]);
  });
  await ended;
  await Promise.allSettled(work);
  if (failure !== undefined) throw failure;
}

/** Accepts a client that has one of the keys, whatever user name it gives. */
function authenticate(connection: Connection, keys: readonly ParsedKey[], end: (error: Error) => void): void {
  let attempts = 0;
  connection.on("authentication", (context: AuthContext) => {
    if (++attempts > MAX_ATTEMPTS) return end(new CliError(`ssh-proxy: over ${MAX_ATTEMPTS} attempts to log in`));
    if (context.method !== "publickey") return context.reject(["publickey"]);
    const { data } = context.key;
    const key = keys.find((known) => known.getPublicSSH().equals(data));
    const { blob, signature, hashAlgo } = context;
    if (key === undefined) return context.reject(["publickey"]);
    // Without a signature the client asks whether the key would do.
    if (signature === undefined || blob === undefined) return context.accept();
    if (key.verify(blob, signature, hashAlgo) === true) context.accept();
    else context.reject(["publickey"]);
  });
}

function serveChannels(connection: Connection, target: SshTarget, closed: AbortSignal, all: Set<Promise<void>>): void {
  let channels = 0;
  const onWork = (work: Promise<void>) => {
    const done = work.catch(() => undefined).finally(() => all.delete(done));
    all.add(done);
  };
  /** Accepts a channel unless there are too many. */
  const admit = (channel: { on(event: "close", listener: () => void): unknown }) => {
    channels++;
    channel.on("close", () => channels--);
  };
  const refused = (reject: () => void) => {
    if (channels < MAX_CHANNELS) return false;
    reject();
    return true;
  };
  connection.on("session", (accept, reject) => {
    if (refused(reject)) return;
    const session = accept();
    admit(session);
    serveSession(session, target, closed, onWork);
  });
  const forward = (accept: () => ssh2.ServerChannel, reject: () => void, place: () => ForwardPlace) => {
    if (refused(reject)) return;
    const opened = () => {
      const channel = accept();
      admit(channel);
      return channel;
    };
    onWork(serveForward(opened, reject, target, place, closed));
  };
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    forward(accept, reject, () => tcpPlace(destIP, destPort));
  });
  connection.on("openssh.streamlocal", (accept, reject, { socketPath }) => {
    forward(accept, reject, () => ({ path: socketPath }));
  });
}
