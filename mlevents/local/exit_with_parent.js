// Loaded into a Node.js process by --require: ends the process in order when its parent has ended.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref(); // listening for the end does not by itself keep the process alive
