import { expect, test } from "vitest";
import { onlyOfKilled } from "./abort-holders.ts";

const holders = { waiting: [7], ofKilled: new Set([7]), ofOthers: new Set<number>(), ownsKernel: false };

test.each<[string, Partial<typeof holders>, number[]]>([
  ["is aborted if only killed processes see its file system", {}, [7]],
  ["stays if no request waits", { waiting: [] }, []],
  ["stays if a process that was not killed sees it, as a share of the host", { ofOthers: new Set([7]) }, []],
  ["stays beside processes that this agent can't see, if no killed process sees it", { ofKilled: new Set() }, []],
  ["is aborted if no process of the agent's own kernel sees it", { ofKilled: new Set(), ownsKernel: true }, [7]],
  ["stays if others see it, in the agent's own kernel, too", { ofOthers: new Set([7]), ownsKernel: true }, []],
])("a FUSE connection %s", (_, given, aborted) => {
  expect(onlyOfKilled({ ...holders, ...given })).toEqual(aborted);
});
