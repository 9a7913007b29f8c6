import { sharedQuotas } from "./testing/shared-quotas.ts";

// test/nightly takes more resources, also memory that is spared by the OOM killer.
sharedQuotas([
  { resource: "epoll", most: 6000 },
  { resource: "file", most: 6000, workers: 3 },
]);
