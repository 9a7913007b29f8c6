import { sharedQuotas } from "../../attack/vm/testing/shared-quotas.ts";

sharedQuotas([
  { resource: "inotify", most: 2500 },
  { resource: "inotify-instance", most: 200 },
  { resource: "mount-ns", most: 400, inUser: true },
  { resource: "cgroup-ns", most: 400, inUser: true },
]);
