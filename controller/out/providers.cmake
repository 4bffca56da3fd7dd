# Providers: how tasks are run. Included by CMakeLists.txt beside this file.
ws_layer(controller_rescue SOURCES providers/rescue.c USES controller_headers ws_base)
ws_layer(controller_process
        SOURCES providers/process.c providers/process_end.c providers/process_kept.c providers/plan.c providers/launch.c providers/folder.c
                providers/folder_remove.c providers/homes.c providers/home_folder.c providers/home_attach.c
        USES controller_headers ws_loop
        PRIVATE controller_keys controller_rescue)
# libcurl is in engine.c only, cJSON in docker_json.c only.
ws_layer(controller_docker
        SOURCES providers/docker.c providers/docker_rescue.c providers/docker_watch.c providers/docker_json.c
                providers/engine.c providers/engine_attach.c
        USES controller_headers ws_loop
        PRIVATE controller_keys controller_rescue ws_wire dep::cjson dep::curl)
