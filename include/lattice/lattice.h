/* Everything at once. */
#ifndef LATTICE_LATTICE_H
#define LATTICE_LATTICE_H

#include <lattice/cap.h>
#include <lattice/channel.h>
#include <lattice/endpoint.h>
#include <lattice/error.h>
#include <lattice/fastpath.h>
#include <lattice/graph.h>
#include <lattice/ipc.h>
#include <lattice/net.h>
#include <lattice/node.h>
#include <lattice/sched.h>
#include <lattice/state.h>
#include <lattice/types.h>

#endif
