"""How the mesh is put together on one machine: real servers from wheels, five services, one launcher."""
