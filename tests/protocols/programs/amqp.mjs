// Publishes messages with confirmation, and consumes them on a second connection: node amqp.mjs PORT COUNT BYTES
import amqp from "amqplib";

const [port, count, bytes] = process.argv.slice(2).map(Number);
const url = `amqp://guest:guest@127.0.0.1:${port}`;
const queue = `kwik-${process.pid}`;

const consumer = await amqp.connect(url);
const consuming = await consumer.createChannel();
await consuming.assertQueue(queue, { durable: false });
await consuming.prefetch(100);
let consumed = 0;
let inOrder = true;
const all = new Promise((resolve) => {
  void consuming.consume(queue, (message) => {
    // The queue was deleted.
    if (message === null) return;
    inOrder &&= message.content.readUInt32BE(0) === consumed && message.content.length === bytes;
    consuming.ack(message);
    consumed += 1;
    if (consumed === count) resolve();
  });
});

const publisher = await amqp.connect(url);
const publishing = await publisher.createConfirmChannel();
let confirmed = 0;
for (let i = 0; i < count; i += 1) {
  const content = Buffer.alloc(bytes);
  content.writeUInt32BE(i, 0);
  const isTaken = publishing.sendToQueue(queue, content, {}, (error) => {
    if (error === null) confirmed += 1;
  });
  if (!isTaken) await new Promise((resolve) => publishing.once("drain", resolve));
}
await publishing.waitForConfirms();
await all;
await consuming.deleteQueue(queue);
await publisher.close();
await consumer.close();
process.stdout.write(JSON.stringify({ confirmed, consumed, inOrder }));
