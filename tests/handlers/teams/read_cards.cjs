// Reads Adaptive Cards, a JSON object of them on standard input, as version 1.4 of the schema, and prints for each what
// Microsoft's reader says against it: unknown elements, properties of later versions, values that it does not accept.
const { readFileSync } = require("node:fs");
const { AdaptiveCard, SerializationContext, Version } = require("adaptivecards/dist/adaptivecards.js");

const found = {};
for (const [name, card] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
    const context = new SerializationContext(new Version(1, 4));
    const read = new AdaptiveCard();
    read.parse(card, context);
    const events = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
    const invalid = read.validateProperties().validationEvents.map((event) => event.message);
    found[name] = [...events, ...invalid];
}
process.stdout.write(JSON.stringify(found));
