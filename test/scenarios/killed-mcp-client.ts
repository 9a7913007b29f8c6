// Starts `guestctl mcp` with the options in the arguments, creates a sandbox, prints the server's pid, and waits to be
// killed.
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { launcher } from "./guestctl-process.ts";

const known = Object.entries(process.env).filter((each): each is [string, string] => each[1] !== undefined);
const args = [launcher, "mcp", ...process.argv.slice(2)];
const transport = new StdioClientTransport({ command: process.execPath, args, env: Object.fromEntries(known) });
const client = new Client({ name: "killed", version: "1" });
await client.connect(transport);
await client.callTool({ name: "sandbox_create", arguments: {} });
console.log(transport.pid);
