"""A real dispatcher or worker of a tf.data service, run by test_service.py and by the pages of docs/.

python service_process.py dispatcher PORT | worker DISPATCHER_ADDRESS
"""

import sys

import tensorflow as tf

service = tf.data.experimental.service


def main():
    if sys.argv[1] == "dispatcher":
        server = service.DispatchServer(service.DispatcherConfig(port=int(sys.argv[2])))
        print(server.target, flush=True)
    else:
        server = service.WorkerServer(service.WorkerConfig(dispatcher_address=sys.argv[2], heartbeat_interval_ms=100))
        print("ready", flush=True)
    server.join()


main()
