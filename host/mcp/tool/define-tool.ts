import type { z } from "zod";
import { sandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { Tool, ToolDefinition } from "./tool.ts";

/** Makes a tool that checks its input. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, input } = definition;
  return {
    ...definition,
    async call(value, context) {
      const { success, data, error } = input.safeParse(value ?? {});
      if (success) return definition.call(data, context);
      const issues = error.issues.map(({ path, message }) => [...path, message].map(String).join(": "));
      throw sandboxError("invalid-argument", `${name}: ${issues.join(", ")}`);
    },
  };
}
