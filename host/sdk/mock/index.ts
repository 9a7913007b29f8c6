import { Mock } from "./mock.ts";

export { SandboxError } from "../error/sandbox-error.ts";
export { Mock, type MockState } from "./mock.ts";
export type { MockAnswer, MockCommand, MockOutput, MockProcess } from "./mock-answer.ts";
export type { MockCall } from "./mock-script.ts";

/** The mock whose sandboxes `Sandbox` of this module creates. */
export const mock: Mock = new Mock();

/** Takes the place of guestd's `Sandbox`, for a test that replaces the whole module. */
export const Sandbox = mock.Sandbox;
