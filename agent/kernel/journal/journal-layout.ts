/** Most connections that can outlive the agent. Any others end with it. */
export const MAX_KEPT_CONNECTIONS = 512;
/** Most open calls of all kept connections. A connection whose calls exceed them ends with the agent. */
export const MAX_KEPT_CALLS = 4096;
/** Places of calls allocated at the start, and at each growth. */
export const CALLS_AT_START = 512;
/** Most bytes of one read from a connection. */
export const READ_BYTES = 65_536;

/** Most bytes of one write to a connection. */
export const WRITE_BYTES = 128 * 1024;
/** Chunks of memory for requests and answers too long for a call's place, and for partly received requests. */
export const CHUNKS = 1024;
export const CHUNK_BYTES = 8192;
/** Chunks allocated at each growth. */
export const CHUNKS_AT_ONCE = 16;

/** Words of the work in progress. Connections are stored as index + 1, so that 0 means none. */
export const NOW = {
  readConnection: 0,
  /** Number of the last read, never 0. */
  readNumber: 1,
  writeConnection: 2,
  writeTotal: 3,
  /** Number of the last call. */
  order: 5,
  /** Number of places ever used: the memory beyond them may not be allocated yet. */
  top: 6,
  /** Place + 1 of the call whose handler is running up to its first await; 0: none. */
  begun: 8,
  /** Time of that start in milliseconds, modulo MAX_MS. */
  begunAt: 9,
} as const;
export const MAX_MS = 2 ** 31 - 1;
const NOW_WORDS = 16;
/**
 * Size of the `struct mmsghdr` before the bytes received or sent. The kernel itself writes their count into it before the
 * system call returns.
 */
export const HEADER_BYTES = 64;
export const COUNT = 14;

/**
 * Words of a connection. `number` is 0 if the place is free. `peerCid` is the CID + 1, 0 without vsock. `begunPlace` is the
 * place + 1 of the answer of which `begun` bytes are written, 0 for none. `merged` is twice the number of the last read that is
 * part of the partly received request, plus the index of the (`head`, `length`) pair in use; a `length` of -1 means that it
 * found no room.
 */
export const CONNECTION = {
  number: 0,
  peerCid: 1,
  begun: 2,
  begunPlace: 3,
  unknownCalls: 4,
  merged: 5,
  head: 6,
  length: 8,
} as const;
export const CONNECTION_WORDS = 12;

/**
 * Words of a call; a small body follows them. `deaths` counts the agents that died while they started it. `deadline` is a double,
 * ms of the monotonic clock or 0. `progress` is that of Call.note. `chain` is the first chunk of the body + 1, 0 if the body
 * is in the place itself. `at` and `size` locate its answer in the current write.
 */
export const CALL = {
  state: 0,
  connection: 1,
  streamId: 2,
  order: 3,
  length: 4,
  deaths: 5,
  deadline: 6,
  progress: 8,
  chain: 9,
  at: 10,
  size: 11,
} as const;
export const CALL_WORDS = 132;
export const BODY_AT = 12;
/** Longest request or answer that fits into a call's place. */
export const SMALL_BODY = (CALL_WORDS - BODY_AT) * 4;

/** State of an unused place. */
export const FREE = 0;
/** State of a call without an answer: the body is that of the request's frame, or empty if it found no room. */
export const OPEN = 1;
/** State of an answered call: the body is its whole response frame, empty while that is being stored. */
export const ANSWERED = 2;
/** Flag added to a state while the answer is part of the current write. */
export const WRITING = 16;

/** Count of an output whose system call hasn't returned. */
export const UNDER_WAY = -1_000_000;
/** Count before the kernel has received or sent anything. */
export const NOT_YET = -1;
/** Byte that fills an output block before a read; it never occurs in UTF-8. */
export const NOTHING = 0xff;

export const CONNECTIONS_AT = NOW_WORDS;
export const NEXT_AT = CONNECTIONS_AT + MAX_KEPT_CONNECTIONS * CONNECTION_WORDS;
export const CALLS_AT = NEXT_AT + CHUNKS;
export const READ_AT = (CALLS_AT + MAX_KEPT_CALLS * CALL_WORDS) * 4;
export const WRITE_AT = READ_AT + HEADER_BYTES + READ_BYTES;
export const CHUNKS_AT = WRITE_AT + HEADER_BYTES + WRITE_BYTES;
export const CALL_JOURNAL_BYTES = CHUNKS_AT + CHUNKS * CHUNK_BYTES;

export const CALL_BYTES = CALL_WORDS * 4;
/** Ranges [from, to) allocated at the start. The rest is allocated when needed. */
export const CALLS_START: readonly (readonly [number, number])[] = [
  [0, (CALLS_AT + CALLS_AT_START * CALL_WORDS) * 4],
  [READ_AT, CHUNKS_AT],
];

/**
 * Allocates bytes of the journal, filled with a value; returns false if there is no room. Memory that isn't allocated must not
 * be touched: if /run is full, that raises SIGBUS.
 */
export type Fill = (at: number, length: number, value: number) => boolean;
