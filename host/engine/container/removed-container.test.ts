import { expect, test } from "vitest";
import type { AgentClient } from "../../client/agent-client.ts";
import { answeredError } from "../../client/rpc-error.ts";
import { isRemovedContainer, throwIfRemoved } from "./removed-container.ts";

test.each([
  'remove container: Invalid container id "web"',
  'invalid container id: there is no container "web"',
  "exec in container web: it is being removed",
])("recognizes: %s", (text) => expect(isRemovedContainer(answeredError(5, text))).toBe(true));

test.each(['Invalid container id "A B": it must match ^[a-z]+$', "container web: it is paused"])(
  "leaves other errors: %s",
  (text) => expect(isRemovedContainer(answeredError(5, text))).toBe(false),
);

/** Returns a client whose updates fail. */
function failing(text: string): Pick<AgentClient, "agent"> {
  return {
    agent: { updateContainer: () => Promise.reject(answeredError(13, text)) } as unknown as AgentClient["agent"],
  };
}

test("throws only the error of a container that is gone or going", async () => {
  await expect(throwIfRemoved(failing("container web is being removed"), "web")).rejects.toThrow("is being removed");
  await throwIfRemoved(failing("a policy forbids updates"), "web");
});
