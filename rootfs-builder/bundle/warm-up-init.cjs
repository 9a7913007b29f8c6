"use strict";
// Stand-in for init during warm-up: it sends a greeting, and simulates processes without launching them.
const { closeSync, openSync, readFileSync, readlinkSync } = require("node:fs");

const O_ACCMODE = 3;
const SEQPACKET = 1;
const READABLE = 1;
const LAUNCH = 1;
const [LAUNCHED, EXITED, READY] = [16, 17, 20];
const KEPT_RELEASE = 1 << 5;
const HEADER_BYTES = 16;
const MAX_MESSAGE = 4096;
const MAX_FDS = 64;
const MAX_FILE_REQUEST = 72 * 1024;
const [FILE_REQUEST_BYTES, FILE_ANSWER_BYTES] = [88, 24];
const [OPEN, STATFS, READ] = [1, 5, 8];
const [S_IFREG, TMPFS] = [0o100644, 0x01021994];
const NO_ANSWER = Buffer.alloc(0);
/** By the codes of agent/native/init/files/protocol.h. */
const FILE_ANSWERS = {
  [OPEN]: Buffer.alloc(96),
  [STATFS]: Buffer.alloc(56),
  [READ]: Buffer.from("root:x:0:0::/root:\n"),
};
FILE_ANSWERS[OPEN].writeUInt32LE(S_IFREG, 40);
FILE_ANSWERS[STATFS].writeUInt32LE(TMPFS, 0);
const LINE = Buffer.from("warm-up\n");

/**
 * Returns the agent's end of a socket to init as `fd`. A container waits for its release and runs until `kill`; an exec
 * waits for input, then prints a line and ends. The agent's actions then depend only on its calls, not on their timing.
 */
function standInInit(addon) {
  const polls = new Set();
  const running = new Set();
  const ends = new Int32Array(2);
  const must = (result) => {
    if (result < 0) throw new Error(`warm-up: a socket for the stand-in of init: errno ${-result}`);
  };
  /** 32-bit words after the header. */
  const send = (type, id, words, fds = []) => {
    const bytes = Buffer.alloc(HEADER_BYTES + 4 * words.length);
    bytes.writeUInt32LE(type, 0);
    bytes.writeBigUInt64LE(id, 8);
    for (const [at, word] of words.entries()) bytes.writeUInt32LE(word, HEADER_BYTES + 4 * at);
    must(addon.sendMessage(ends[1], bytes, fds));
  };
  const whenReadable = (fd, call) => {
    const poll = new addon.Poll(fd, call);
    must(poll.start(READABLE));
    polls.add(poll); // keeps them from being garbage-collected
    return poll;
  };
  const exited = (id) => send(EXITED, id, new Array(7).fill(0));
  const close = (fds) => {
    for (const fd of fds) addon.close(fd);
  };

  const launch = (id, reportSlot, isContainer, slots) => {
    const pidfd = openSync("/dev/null", "r");
    send(LAUNCHED, id, [0, process.pid, 0, 0], [pidfd]);
    closeSync(pidfd);
    const report = slots[reportSlot];
    const socket = slots.find((fd) => readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:"));
    if (socket !== undefined) {
      close(slots.filter((fd) => fd !== socket));
      return serveFiles(socket, () => exited(id));
    }
    const pipes = slots.filter((fd) => fd !== report);
    if (isContainer) {
      running.add(id);
      addon.write(report, Buffer.from(Uint32Array.of(1, 0, 0, 0).buffer));
    } else close([report]);
    const onInput = () => {
      for (const poll of inputs) poll.close();
      for (const fd of isContainer ? [] : pipes) addon.write(fd, LINE);
      close(isContainer ? slots : pipes);
      if (!isContainer) exited(id);
    };
    const inputs = pipes.filter(isInput).map((fd) => whenReadable(fd, onInput));
  };

  /** Plays a file server: each path is the same short passwd. */
  const serveFiles = (socket, onEnd) => {
    const request = Buffer.alloc(MAX_FILE_REQUEST);
    const poll = whenReadable(socket, () => {
      for (;;) {
        const got = addon.receiveMessage(socket, request, fds);
        if (got < 0) return;
        if (got === 0) break;
        addon.sendMessage(socket, fileAnswers(request.subarray(0, got)), []);
      }
      poll.close();
      addon.close(socket);
      onEnd();
    });
  };

  must(addon.socketPair(ends, SEQPACKET));
  send(READY, 0n, [1, 0, 0, 0, 0, 0]); // u64 generation, start of init, start of the agent
  const [bytes, fds] = [Buffer.alloc(MAX_MESSAGE), new Int32Array(1 + MAX_FDS)];
  whenReadable(ends[1], () => {
    while (addon.receiveMessage(ends[1], bytes, fds) > 0) {
      const received = [...fds.subarray(1, 1 + fds[0])];
      // The plan, then the slots, then the kept descriptors.
      const slots = bytes.readUInt32LE(0) === LAUNCH ? received.splice(1, bytes.readUInt16LE(24)) : [];
      close(received);
      const isContainer = (bytes.readUInt32LE(20) & KEPT_RELEASE) !== 0;
      if (slots.length > 0) launch(bytes.readBigUInt64LE(8), bytes.readUInt16LE(26), isContainer, slots);
    }
  });
  const kill = () => {
    for (const id of running) exited(id);
    running.clear();
  };
  return { fd: ends[0], kill };
}

/** Returns successful answers to a message's requests. */
function fileAnswers(requests) {
  const answers = [];
  for (let at = 0; at < requests.length; ) {
    const answer = FILE_ANSWERS[requests.readUInt32LE(at)] ?? NO_ANSWER;
    const head = Buffer.alloc(FILE_ANSWER_BYTES);
    head.writeUInt32LE(requests.readUInt32LE(at + 4), 0);
    head.writeUInt32LE(answer.length, 16);
    answers.push(head, answer);
    const ends = at + FILE_REQUEST_BYTES;
    at = ends + requests.readUInt32LE(ends - 8) + requests.readUInt32LE(ends - 4);
  }
  return Buffer.concat(answers);
}

/** True for the reading end of a pipe: a process's stdin, or the release that a container waits for. */
function isInput(fd) {
  if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith("pipe:")) return false;
  const [, flags] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
  return (Number.parseInt(flags, 8) & O_ACCMODE) === 0;
}

module.exports = { standInInit };
