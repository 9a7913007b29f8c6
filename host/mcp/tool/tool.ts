import type { ToolAnnotations } from "@modelcontextprotocol/server";
import type { z } from "zod";
import type { Session } from "../session/session.ts";

/** Definition of a tool whose input was checked. */
export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly annotations: ToolAnnotations;
  readonly input: Input;
  readonly output: Output;
  /** Rejects with SandboxError. */
  call(input: z.output<Input>, context: ToolContext): Promise<z.input<Output>>;
}

export interface ToolContext {
  readonly session: Session;
  /** Aborted when the client cancels the call, or is gone. */
  readonly signal: AbortSignal;
}

/** A tool of any input and output. */
export interface Tool extends Omit<ToolDefinition<z.ZodObject, z.ZodObject>, "call"> {
  /** Checks the input, then calls the tool. Rejects with SandboxError. */
  call(input: unknown, context: ToolContext): Promise<Record<string, unknown>>;
}
