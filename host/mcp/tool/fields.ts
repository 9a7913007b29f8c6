import { z } from "zod";

/** Fields that several tools have. */
const MAX_SECONDS = 86_400;

/** Text without NUL, which neither paths nor words of a command can have. */
export function plainText(description: string): z.ZodString {
  return z
    .string()
    .min(1)
    .regex(/^[^\0]*$/, "has a NUL")
    .describe(description);
}

export const sandboxName = plainText("Name of a sandbox of this session");

/** Absolute path in a sandbox. */
export function sandboxPath(description: string): z.ZodString {
  return plainText(description).startsWith("/", "is not an absolute path");
}

export function hostPath(description: string): z.ZodString {
  return plainText(`${description}: an absolute path of the user's machine in a folder that the user has allowed`);
}

export function wholeNumber(min: number, max: number, description: string): z.ZodNumber {
  return z.number().int().min(min).max(max).describe(description);
}

/** Time limit of a call. */
export function timeoutSeconds(seconds: number, what = "The call fails after this time"): z.ZodDefault<z.ZodNumber> {
  return z.number().positive().max(MAX_SECONDS).default(seconds).describe(`${what}; by default ${seconds}`);
}

export const leftOutBytes = z.number().describe("Bytes that were left out of the text; 0 if it is complete");
