// Loaded into a Node.js process by --require: ends the process, in order, when the one that started it is gone.
process.stdin.on("end", () => process.kill(process.pid, "SIGTERM"));
process.stdin.resume();
process.stdin.unref(); // listening for the end does not by itself keep the process alive
