/*
 * hwloc reads far more than is asked for here, so most of it is turned off; above all its x86 component, which moves the
 * calling thread over all processors to ask each of them. What Linux says in /sys is enough.
 */
#include <errno.h>
#include <hwloc.h>

#include "os/topology.h"

static const hwloc_obj_type_t cache_types[LAT_CACHE_LEVELS] = { HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE,
								HWLOC_OBJ_L3CACHE };

static uint32_t number_of(hwloc_topology_t machine, hwloc_obj_type_t type)
{
	int n = hwloc_get_nbobjs_by_type(machine, type);

	return n > 0 ? (uint32_t)n : 0;
}

static int filter(hwloc_topology_t machine)
{
	const hwloc_obj_type_t wanted[] = { HWLOC_OBJ_PACKAGE, HWLOC_OBJ_CORE, cache_types[0], cache_types[1],
					    cache_types[2] };
	int rc = hwloc_topology_set_all_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_NONE);

	for (size_t i = 0; i < ARRAY_LEN(wanted) && rc == 0; i++)
		rc = hwloc_topology_set_type_filter(machine, wanted[i], HWLOC_TYPE_FILTER_KEEP_ALL);
	if (rc == 0)
		rc = hwloc_topology_set_components(machine, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	return rc;
}

static struct lat_cache cache_of(hwloc_topology_t machine, hwloc_obj_type_t type)
{
	hwloc_obj_t cache = hwloc_get_obj_by_type(machine, type, 0);
	int cores;

	if (cache == NULL || cache->attr == NULL)
		return (struct lat_cache){ 0 };
	cores = hwloc_get_nbobjs_inside_cpuset_by_type(machine, cache->cpuset, HWLOC_OBJ_CORE);
	return (struct lat_cache){ .bytes = cache->attr->cache.size,
				   .cores = cores > 0 ? (uint32_t)cores : 1 };
}

int lat_topology_read(struct lat_topology *out, const char *synthetic)
{
	hwloc_topology_t machine;
	int rc = 0;

	if (hwloc_topology_init(&machine) < 0)
		return -ENOMEM;
	if (synthetic != NULL && hwloc_topology_set_synthetic(machine, synthetic) < 0)
		rc = -EINVAL;
	if (rc == 0 && (filter(machine) < 0 || hwloc_topology_load(machine) < 0))
		rc = -ENODATA;
	if (rc == 0) {
		*out = (struct lat_topology){ .cpus = number_of(machine, HWLOC_OBJ_PU),
					      .cores = number_of(machine, HWLOC_OBJ_CORE),
					      .sockets = number_of(machine, HWLOC_OBJ_PACKAGE),
					      .memories = number_of(machine, HWLOC_OBJ_NUMANODE) };
		for (size_t i = 0; i < LAT_CACHE_LEVELS; i++)
			out->cache[i] = cache_of(machine, cache_types[i]);
	}
	hwloc_topology_destroy(machine);
	return rc;
}
