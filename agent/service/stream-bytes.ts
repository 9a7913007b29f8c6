/** Bytes of processes' stdio that went between this agent and its clients, over calls and attachments, for the metrics. */
export const streamBytes = { stdin: 0, stdout: 0, stderr: 0 };
