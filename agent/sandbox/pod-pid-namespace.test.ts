import { fstatSync, openSync } from "node:fs";
import { expect, test } from "vitest";
import { testKernel } from "../container/testing/test-kernel.ts";
import type { ExitStatus } from "../kernel/kernel.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { type NamespaceOwner, PodPidNamespace } from "./pod-pid-namespace.ts";

leavesNoDescriptors();

const ENDED: ExitStatus = { code: 0, signal: 0, userMicros: 0, systemMicros: 0, maxRssKib: 0 };

/** A container whose pid namespace is that file: only its inode counts. */
function owner(file: string): NamespaceOwner & { readonly init: { status: ExitStatus | undefined } } {
  const openPidNamespace = () => openSync(file, "r");
  const fd = openPidNamespace();
  const { ino } = fstatSync(fd);
  testKernel().sys.close(fd);
  return { init: { status: undefined }, pidNamespace: ino, openPidNamespace };
}
const [FIRST, SECOND] = ["/dev/null", "/dev/zero"];

/** The pod's namespace, with its containers; `share` creates one, and resolves with the path it was given. */
function pod(...containers: NamespaceOwner[]) {
  const kernel = testKernel();
  const namespace = new PodPidNamespace(kernel);
  const share = (signal?: AbortSignal) =>
    namespace.share(
      () => containers,
      async (path) => path,
      signal,
    );
  const deposited = () => kernel.init.calls.map(([call]) => call);
  return { kernel, namespace, share, deposited };
}

test("containers that share join the namespace of the first container, which init keeps", async () => {
  const first = owner(FIRST);
  const { kernel, namespace, share } = pod(owner(SECOND), first);
  expect(await share()).toBeUndefined();
  namespace.keep(first, false);
  const [deposit] = kernel.init.calls;
  expect(deposit?.slice(0, 2)).toEqual(["deposit", "sandbox-pidns"]);
  expect(await share()).toBe(`/proc/self/fd/${deposit?.[2]}`);
  namespace.keep(owner(SECOND), true);
  expect(kernel.init.calls).toHaveLength(1);
  namespace.close();
  namespace.close();
  expect(kernel.init.calls.slice(1)).toEqual([["withdraw", "sandbox-pidns"]]);
  expect(await share()).toBeUndefined();
});

test("the next agent finds the namespace among init's deposits", async () => {
  const first = owner(FIRST);
  const fd = first.openPidNamespace();
  const kernel = testKernel({ greeting: { deposits: new Map([["sandbox-pidns", fd]]) } });
  const namespace = new PodPidNamespace(kernel);
  const join = (path: string | undefined) => Promise.resolve(path);
  expect(await namespace.share(() => [first], join, undefined)).toBe(`/proc/self/fd/${fd}`);
  namespace.close();
});

test("after the namespace's first process has ended, only a container that shares provides the next one", async () => {
  const [first, plain, next] = [owner(FIRST), owner(SECOND), owner(SECOND)];
  const { namespace, share, deposited } = pod(first, next);
  namespace.keep(first, false);
  first.init.status = ENDED;
  expect(await share()).toBeUndefined();
  expect(deposited()).toEqual(["deposit", "withdraw"]);
  namespace.keep(plain, false);
  expect(deposited()).toEqual(["deposit", "withdraw"]);
  namespace.keep(next, true);
  expect(deposited()).toEqual(["deposit", "withdraw", "deposit"]);
  expect(await share()).toMatch(/^\/proc\/self\/fd\/\d+$/);
  namespace.close();
});

test("a container that shares waits for the one that is about to provide the namespace", async () => {
  const first = owner(FIRST);
  const { namespace, share, deposited } = pod(first);
  const providing = Promise.withResolvers<string>();
  const provided = namespace.share(
    () => [first],
    () => providing.promise,
    undefined,
  );
  let given: string | undefined = "it waits";
  const waiting = share().then((path) => (given = path));
  await new Promise(setImmediate);
  expect(given).toBe("it waits");
  // Meanwhile a container that does not share can't provide it.
  namespace.keep(owner(SECOND), false);
  expect(deposited()).toEqual([]);
  namespace.keep(first, true);
  providing.resolve("created");
  expect(await provided).toBe("created");
  expect(await waiting).toMatch(/^\/proc\/self\/fd\/\d+$/);
  namespace.close();
});

test("if the container that provides the namespace fails, a waiting one provides it", async () => {
  const { namespace, share } = pod();
  const providing = Promise.withResolvers<never>();
  const failed = namespace.share(
    () => [],
    () => providing.promise,
    undefined,
  );
  const waiting = share();
  providing.reject(new Error("no room"));
  await expect(failed).rejects.toThrow("no room");
  expect(await waiting).toBeUndefined();
});

test("a container whose creation is cancelled stops waiting for the namespace", async () => {
  const { namespace, share } = pod();
  const providing = Promise.withResolvers<undefined>();
  const provided = namespace.share(
    () => [],
    () => providing.promise,
    undefined,
  );
  const cancel = new AbortController();
  const waiting = share(cancel.signal);
  cancel.abort(new Error("deadline"));
  await expect(waiting).rejects.toThrow("deadline");
  providing.resolve(undefined);
  await provided;
});
