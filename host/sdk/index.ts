export { type AgentClient, type ConnectOptions, connect } from "../client/agent-client.ts";
