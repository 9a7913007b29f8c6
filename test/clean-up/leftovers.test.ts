import { channel } from "node:diagnostics_channel";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { leftovers, traces } from "./leftovers.ts";
import { subscriptions, unsubscribeSince } from "./subscriptions.ts";

/** Begins something, and returns what is left of it before and after its end. */
function leftBy(begin: () => () => void): readonly [string[], string[]] {
  const before = traces();
  const end = begin();
  onTestFinished(end);
  const during = leftovers(before, traces());
  end();
  return [during, leftovers(before, traces())];
}

test.each<[string, () => () => void, RegExp]>([
  [
    "a timer",
    () => {
      const timer = setInterval(() => undefined, 100_000);
      return () => clearInterval(timer);
    },
    /^open: \d+ Timeout, had \d+$/,
  ],
  [
    "a listener of the process",
    () => {
      const listener = () => undefined;
      process.on("SIGWINCH", listener);
      return () => void process.off("SIGWINCH", listener);
    },
    /^listener of the process: 1 SIGWINCH, had 0$/,
  ],
  [
    "a variable",
    () => {
      process.env["GUESTD_LEFT"] = "x";
      return () => void delete process.env["GUESTD_LEFT"];
    },
    /^\$GUESTD_LEFT: x, was undefined$/,
  ],
  [
    "another umask",
    () => {
      const old = process.umask(0o027);
      return () => void process.umask(old);
    },
    /^umask: 27, was \d+$/,
  ],
])("finds %s that a test file leaves behind, and nothing once it has ended", (_what, begin, line) => {
  const [during, after] = leftBy(begin);
  expect([during.length, during[0], after]).toEqual([1, expect.stringMatching(line), []]);
});

test("finds a server that still listens", async () => {
  const before = traces();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  expect(leftovers(before, traces())).toEqual([expect.stringMatching(/^open: \d+ TCPServerWrap, had \d+$/)]);
  server.close();
  await expect.poll(() => leftovers(before, traces())).toEqual([]);
});

test("removes the subscribers that a test file has added, and no others", () => {
  const calls: string[] = [];
  const known = channel("guestd.test.known");
  const older = () => void calls.push("older");
  subscriptions();
  known.subscribe(older);
  onTestFinished(() => void known.unsubscribe(older));
  const before = subscriptions();
  known.subscribe(() => void calls.push("newer"));
  const other = channel("guestd.test.other");
  other.subscribe(() => void calls.push("other"));
  unsubscribeSince(before);
  for (const one of [known, other]) one.publish({});
  expect([calls, other.hasSubscribers]).toEqual([["older"], false]);
});
